import Foundation
import MeshConfiguration
import Model
import NIOCore
import NIOPosix

/// Asks name servers for addresses.
struct NameServers: Sendable {
    /// What one kind of address was found.
    enum Finding: Hashable, Sendable {
        /// How long they may be used, in seconds; none where the name has no address of the kind.
        case addresses([IPAddress], ttl: UInt32)
        case noSuchName
        case failure(String)
    }

    private struct Timeout: Error {}

    /// How long a server may take.
    var patience = Duration.seconds(2)
    private static let attempts = 2

    let settings: Configuration.DNS
    /// As the C library reads it.
    var hostsFile = "/etc/hosts"
    /// As the C library reads it.
    var resolverFile = "/etc/resolv.conf"

    /// Looks a name up: in the hosts file, then as it is, then in the domains to search.
    func find(_ name: String, _ type: DNSQuestion.RecordType) async -> Finding {
        let wantsIPv6 = type == .aaaa
        let hosts = lines(of: hostsFile).filter { $0.dropFirst().contains(Substring(name)) }
            .compactMap { $0.first.flatMap { IPAddress($0) } }
        guard hosts.isEmpty else { return .addresses(hosts.filter { $0.isIPv6 == wantsIPv6 }, ttl: 0) }

        let lines = lines(of: resolverFile)
        var servers = settings.servers
        if servers.isEmpty {
            servers = lines.filter { $0.first == "nameserver" }
                .compactMap { $0.dropFirst().first.flatMap { IPAddress($0) } }
                .map { Model.SocketAddress(host: $0, port: 53) }
        }
        guard !servers.isEmpty else { return .failure("\(resolverFile) names no name server") }
        let domains = lines.last { $0.first == "search" }.map { $0.dropFirst().map(String.init) } ?? []
        // A final point says that a domain is whole; names are asked for without it.
        let suffixes = domains.map { $0.hasSuffix(".") ? String($0.dropLast()) : $0 }.filter { !$0.isEmpty }
        for candidate in [name] + suffixes.map({ "\(name).\($0)" }) {
            let finding = await ask(servers, candidate, type)
            if finding != .noSuchName { return finding }
        }
        return .noSuchName
    }

    private func lines(of file: String) -> [[Substring]] {
        let text = String(decoding: FileManager.default.contents(atPath: file) ?? Data(), as: UTF8.self)
        return text.split(separator: "\n").map { line in
            line.prefix { $0 != "#" }.split { $0 == " " || $0 == "\t" }
        }
    }

    private func ask(_ servers: [Model.SocketAddress], _ name: String, _ type: DNSQuestion.RecordType) async
        -> Finding
    {
        var problems: [String] = []
        for attempt in 0..<Self.attempts {
            for server in servers {
                do {
                    switch try await ask(server, name, type) {
                    case .addresses(let addresses, let ttl): return .addresses(addresses, ttl: ttl)
                    case .empty: return .addresses([], ttl: .max)
                    case .noSuchName: return .noSuchName
                    case .truncated: problems.append("\(server) sent half an answer over TCP")
                    case .failed(let code): problems.append("\(server) answered with code \(code)")
                    }
                } catch is Timeout {
                    problems.append("\(server) did not answer within \(patience)")
                } catch {
                    problems.append("\(server): \(error)")
                }
                if attempt > 0, Task.isCancelled { break }
            }
        }
        return .failure(Set(problems).sorted().joined(separator: "; "))
    }

    private func ask(
        _ server: Model.SocketAddress, _ name: String, _ type: DNSQuestion.RecordType
    ) async throws -> DNSReply {
        let question = DNSQuestion(id: .random(in: 0...(.max)), name: name, type: type)
        guard let bytes = question.encoded else { return .noSuchName }
        let reply = try await withinPatience { try await Self.askOverUDP(server, question, bytes) }
        guard reply == .truncated else { return reply }
        return try await withinPatience { try await Self.askOverTCP(server, question, bytes) }
    }

    private func withinPatience(_ body: @escaping @Sendable () async throws -> DNSReply) async throws -> DNSReply {
        try await withThrowingTaskGroup(of: DNSReply.self) { group in
            defer { group.cancelAll() }
            group.addTask(operation: body)
            group.addTask {
                try await Task.sleep(for: patience)
                throw Timeout()
            }
            guard let reply = try await group.next() else { throw Timeout() }
            return reply
        }
    }

    /// From a port of its own, so that a forged answer would have to guess that too.
    private static func askOverUDP(
        _ server: Model.SocketAddress, _ question: DNSQuestion, _ bytes: [UInt8]
    ) async throws -> DNSReply {
        let address = try NIOCore.SocketAddress(ipAddress: server.host.description, port: Int(server.port))
        let channel = try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: server.host.isIPv6 ? "::" : "0.0.0.0", port: 0) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel(
                        wrappingChannelSynchronously: channel,
                        configuration: .init(
                            inboundType: AddressedEnvelope<ByteBuffer>.self,
                            outboundType: AddressedEnvelope<ByteBuffer>.self))
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            try await outbound.write(AddressedEnvelope(remoteAddress: address, data: ByteBuffer(bytes: bytes)))
            for try await envelope in inbound where envelope.remoteAddress == address {
                if let reply = DNSReply([UInt8](envelope.data.readableBytesView), to: question) { return reply }
            }
            throw Timeout()
        }
    }

    private static func askOverTCP(
        _ server: Model.SocketAddress, _ question: DNSQuestion, _ bytes: [UInt8]
    ) async throws -> DNSReply {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: server.host.description, port: Int(server.port)) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel(
                        wrappingChannelSynchronously: channel,
                        configuration: .init(inboundType: ByteBuffer.self, outboundType: ByteBuffer.self))
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            var request = ByteBuffer(integer: UInt16(bytes.count))
            request.writeBytes(bytes)
            try await outbound.write(request)
            var received = ByteBuffer()
            for try await part in inbound {
                received.writeImmutableBuffer(part)
                guard let length = received.getInteger(at: received.readerIndex, as: UInt16.self),
                    let reply = received.getBytes(at: received.readerIndex + 2, length: Int(length))
                else { continue }
                return DNSReply(reply, to: question) ?? .failed(code: 1)
            }
            return .truncated
        }
    }
}
