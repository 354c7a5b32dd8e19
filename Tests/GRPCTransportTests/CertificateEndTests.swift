import Foundation
import GRPCTransport
import TestBench
import Testing
import TestSupport

/// Streams of clients whose certificates no longer count.
@Suite struct CertificateEndTests {
    private func text(_ name: String, _ directory: String) throws -> String {
        try String(contentsOfFile: "\(directory)/\(name)", encoding: .utf8)
    }

    private func pair(_ name: String, _ directory: String) throws -> KeyPair {
        KeyPair(
            certificateChain: try text("\(name).crt", directory), privateKey: try text("\(name).key", directory))
    }

    private func server(_ directory: String, authorities: String? = nil) throws -> ServerSecurity {
        .tls(try pair("ballast", directory), clientCA: try authorities ?? text("ca.crt", directory))
    }

    private func client(_ name: String, _ directory: String) throws -> ChannelSecurity {
        .tls(
            roots: try text("ca.crt", directory), serverName: "ballast.example", try pair(name, directory))
    }

    /// Opens a stream that is answered.
    private func open(_ channel: Channel) async throws -> ClientStream {
        let stream = await channel.open("/test/Echo")
        await stream.send([1, 2])
        #expect(try await stream.messages.first { _ in true } == [1, 2])
        return stream
    }

    @Test func `a stream ends when its client's certificate expires, and its connection after that`() async throws {
        try await withTemporaryDirectory { directory in
            let certificates = try Certificates(in: directory)
            try certificates.make("short", ["URI:spiffe://mesh.example/short"], until: Date() + 30)
            try await withEcho(
                security: server(directory), client: client("short", directory)
            ) { server, channel, port, _ in
                let other = try Channel(address: "127.0.0.1:\(port)", security: try client("client", directory))
                let lasting = try await open(other)
                let stream = try await open(channel)
                #expect(await stream.end == GRPCStatus(.unauthenticated, "the client's certificate has expired"))
                try await eventually("its connection is closed") { server.connections.open == 1 }
                // The handshake of the next one fails.
                let again = await channel.open("/test/Echo").end
                #expect(again.code == .unavailable)
                await lasting.send([3, 4])
                #expect(try await lasting.messages.first { _ in true } == [3, 4])
                await other.shutdown()
            }
        }
    }

    @Test func `handshakes that fail are logged with the peer, and so are clients without TLS`() async throws {
        try await withTemporaryDirectory { directory in
            let others = "\(directory)/others"
            try FileManager.default.createDirectory(atPath: others, withIntermediateDirectories: true)
            _ = try Certificates(in: directory)
            _ = try Certificates(makingIn: others)
            try await withEcho(
                security: server(directory), client: client("client", directory)
            ) { server, channel, port, _ in
                let good = try await open(channel)
                let strangers: [ChannelSecurity] = [
                    .plaintext,
                    .tls(
                        roots: try text("ca.crt", directory), serverName: "ballast.example",
                        try pair("client", others)),
                    .tls(
                        roots: try text("ca.crt", others), serverName: "ballast.example", try pair("client", directory)),
                ]
                var told: [ConnectionGuard.Reason: Int] = [:]
                for security in strangers {
                    let stranger = try Channel(address: "127.0.0.1:\(port)", security: security)
                    #expect(await stranger.open("/test/Echo").end.code == .unavailable)
                    await stranger.shutdown()
                }
                try await eventually("told") {
                    for refusal in server.connections.takeRefusals() {
                        #expect(refusal.address == "127.0.0.1")
                        told[refusal.reason, default: 0] += refusal.count
                    }
                    return told[.handshake, default: 0] >= 2 && told[.plaintext, default: 0] >= 1
                }
                #expect(Set(told.keys) == [.handshake, .plaintext])
                await good.cancel()
            }
        }
    }

    @Test func `with the guard off nothing is reported about connections`() async throws {
        try await withTemporaryDirectory { directory in
            _ = try Certificates(in: directory)
            var configuration = ServerConfiguration()
            configuration.connections.isOn = false
            try await withEcho(
                configuration, security: server(directory), client: client("client", directory)
            ) { server, _, port, _ in
                let channel = try Channel(address: "127.0.0.1:\(port)", security: try client("client", directory))
                let stream = try await open(channel)
                await stream.cancel()
                await channel.shutdown()
                try await eventually("closed") { server.connections.open == 0 }
                #expect(server.connections.takeRefusals().isEmpty)
            }
        }
    }

    @Test func `streams end whose clients no authority vouches for any more, and no others`() async throws {
        try await withTemporaryDirectory { directory in
            let others = "\(directory)/others"
            try FileManager.default.createDirectory(atPath: others, withIntermediateDirectories: true)
            _ = try Certificates(in: directory)
            _ = try Certificates(makingIn: others)
            let both = try text("ca.crt", directory) + text("ca.crt", others)
            try await withEcho(
                security: server(directory, authorities: both), client: client("client", directory)
            ) { server, channel, port, _ in
                let stranger = try Channel(
                    address: "127.0.0.1:\(port)",
                    security: .tls(
                        roots: try text("ca.crt", directory), serverName: "ballast.example",
                        try pair("client", others)))
                let (kept, ended) = (try await open(channel), try await open(stranger))
                await server.replaceCertificates(try self.server(directory))
                let end = await ended.end
                #expect(end.code == .unauthenticated && end.message.contains("xds.tls.clientCA"))
                // At once, on the connection that was made before.
                let again = await stranger.open("/test/Echo").end
                #expect([.unauthenticated, .unavailable].contains(again.code))
                await kept.send([3, 4])
                #expect(try await kept.messages.first { _ in true } == [3, 4])
                await stranger.shutdown()
            }
        }
    }
}
