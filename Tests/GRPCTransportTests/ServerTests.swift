import Foundation
import GRPCTransport
import Logging
import Synchronization
import TestBench
import Testing
import TestSupport

@Suite struct ServerTests {
    @Test func `messages of all sizes come back whole and in order`() async throws {
        try await withEcho { _, channel, _, _ in
            let stream = await channel.open("/test/Echo")
            let sizes = [1, 2, 31, 32, 33, 1_000, 16_384, 65_536, 1_000_000]
            for size in sizes { await stream.send([UInt8](repeating: UInt8(size & 0xff), count: size)) }
            var received: [[UInt8]] = []
            for try await message in stream.messages {
                received.append(message)
                if received.count == sizes.count { break }
            }
            #expect(received.map(\.count) == sizes)
            #expect(zip(received, sizes).allSatisfy { $0.allSatisfy { [size = UInt8($1 & 0xff)] in $0 == size } })
        }
    }

    @Test func `an unknown method is answered UNIMPLEMENTED`() async throws {
        try await withEcho { _, channel, _, _ in
            let end = await channel.open("/test/Nothing").end
            #expect(end == GRPCStatus(.unimplemented, "no such method: /test/Nothing"))
        }
    }

    @Test func `a handler's error ends its stream with that status, and no other`() async throws {
        try await withEcho { _, channel, _, _ in
            let good = await channel.open("/test/Echo")
            let bad = await channel.open("/test/Echo")
            await bad.send(Array("refuse".utf8))
            #expect(await bad.end == GRPCStatus(.invalidArgument, "refused"))
            await good.send([1])
            var messages = good.messages.makeAsyncIterator()
            let echo = try await messages.next()
            #expect(echo == [1])
        }
    }

    @Test func `a client that sends no more is ended with OK`() async throws {
        try await withEcho { _, channel, _, log in
            let stream = await channel.open("/test/Echo")
            await stream.halfClose()
            #expect(await stream.end == GRPCStatus(.ok))
            try await eventually("the handler hears of it") { log.closed.withLock { $0.count } == 1 }
        }
    }

    @Test func `a message over the limit ends its stream with RESOURCE_EXHAUSTED, and no other`() async throws {
        var configuration = ServerConfiguration()
        configuration.limits.messageBytes = 1_000
        try await withEcho(configuration) { _, channel, _, _ in
            let good = await channel.open("/test/Echo")
            let large = await channel.open("/test/Echo")
            await large.send([UInt8](repeating: 0, count: 1_001))
            #expect(await large.end.code == .resourceExhausted)
            await good.send([UInt8](repeating: 0, count: 1_000))
            var messages = good.messages.makeAsyncIterator()
            let echo = try await messages.next()
            #expect(echo?.count == 1_000)
        }
    }

    @Test func `streams over the limit are refused until one ends`() async throws {
        var configuration = ServerConfiguration()
        configuration.limits.streams = 2
        try await withEcho(configuration) { server, channel, _, _ in
            let first = await channel.open("/test/Echo")
            _ = await channel.open("/test/Echo")
            try await eventually("both are open") { await server.collect { _ in true }.count == 2 }
            let refused = await channel.open("/test/Echo").end
            #expect(
                refused
                    == GRPCStatus(.resourceExhausted, "the server's limit of 2 streams is reached (xds.limits.streams)")
            )
            await first.cancel()
            try await eventually("there is room again") {
                let stream = await channel.open("/test/Echo")
                await stream.send([1])
                var messages = stream.messages.makeAsyncIterator()
                return try await messages.next() == [1]
            }
        }
    }

    @Test func `streams of one identity over its limit are refused, whatever the number of its connections`()
        async throws
    {
        var configuration = ServerConfiguration()
        configuration.limits.streamsPerIdentity = 2
        try await withEcho(configuration) { server, channel, port, _ in
            let other = try Channel(address: "127.0.0.1:\(port)")
            _ = await channel.open("/test/Echo")
            let last = await other.open("/test/Echo")
            try await eventually("both are open") { await server.collect { _ in true }.count == 2 }
            let refused = await channel.open("/test/Echo").end
            #expect(refused.code == .resourceExhausted)
            #expect(
                refused.message.contains(
                    "limit of 2 streams of one identity is reached (xds.limits.streamsPerIdentity)"))
            await last.cancel()
            try await eventually("there is room again") {
                let stream = await channel.open("/test/Echo")
                await stream.send([1])
                var messages = stream.messages.makeAsyncIterator()
                return try await messages.next() == [1]
            }
            await other.shutdown()
        }
    }

    @Test func `streams over the number that may wait are refused, and those that wait are opened`() async throws {
        var configuration = ServerConfiguration()
        (configuration.queues, configuration.limits.streamsPerSecond, configuration.limits.waitingStreams) = (1, 2, 3)
        try await withEcho(configuration) { _, channel, _, _ in
            let answers = await withTaskGroup { group in
                for _ in 0..<30 {
                    group.addTask {
                        let stream = await channel.open("/test/Echo")
                        await stream.send([1, 2])
                        await stream.halfClose()
                        return await stream.end
                    }
                }
                return await group.reduce(into: [GRPCStatus]()) { $0.append($1) }
            }
            let refused = answers.filter { $0.code == .resourceExhausted }
            #expect(refused.first?.message.contains("limit of 3 streams that wait is reached") == true)
            #expect(answers.count { $0.code == .ok } == 30 - refused.count)
            // The burst, and those that waited.
            #expect(30 - refused.count >= 2 + 3)
        }
    }

    @Test func `a connection ends at its longest age, and its client comes back on another`() async throws {
        var configuration = ServerConfiguration()
        configuration.longestConnection = .seconds(1)
        try await withEcho(configuration) { server, channel, _, _ in
            let first = await channel.open("/test/Echo")
            await first.send([1])
            let answer = try await first.messages.first { _ in true }
            #expect(answer == [1])
            let end = await first.end
            #expect(end.code == .unavailable, "\(end)")
            let next = await channel.open("/test/Echo")
            await next.send([2])
            let nextAnswer = try await next.messages.first { _ in true }
            #expect(nextAnswer == [2])
            #expect(server.connections.accepted == 2)
        }
    }

    @Test(arguments: [
        ("10.0.0.1:80", "10.0.0.1"), ("[2001:db8:0:1:2:3:4:5]:80", "2001:db8:0:1::/64"),
        ("[2001:db8:0:1::]:81", "2001:db8:0:1::/64"), ("[::1]:80", "0:0:0:0::/64"),
        ("[fe80::1%lo]:80", "fe80:0:0:0::/64"),
        ("unix", "unix"),
    ]) func `clients without certificates are told apart by the network that one party has`(
        _ peer: String, _ identity: String
    ) {
        #expect(StreamHead(method: "m", peer: peer).identity == identity)
    }

    @Test func `connections over the limit are refused`() async throws {
        var configuration = ServerConfiguration()
        configuration.limits.connections = 1
        try await withEcho(configuration) { server, channel, port, _ in
            _ = await channel.open("/test/Echo")
            try await eventually("it is open") { await server.collect { _ in true }.count == 1 }
            let other = try Channel(address: "127.0.0.1:\(port)")
            let refused = await other.open("/test/Echo").end
            #expect(
                refused
                    == GRPCStatus(
                        .resourceExhausted, "the server's limit of 1 connections is reached (xds.limits.connections)"))
            await other.shutdown()
        }
    }

    @Test func `a peer that never reads holds one write, and delays no other peer`() async throws {
        try await withEcho { server, channel, port, log in
            let slow = try Channel(address: "127.0.0.1:\(port)")
            let deaf = await slow.open("/test/Echo", isReading: false)
            await deaf.send([0])
            let quick = await channel.open("/test/Echo")
            try await eventually("both are open") { await server.collect { _ in true }.count == 2 }
            var messages = quick.messages.makeAsyncIterator()
            for round in 0..<100 {
                // The newest takes the place of what the slow peer has not taken.
                await server.forEach { $0.push([UInt8](repeating: UInt8(round), count: 100_000)) }
                let echo = try await messages.next()
                #expect(echo?.first == UInt8(round))
            }
            // 100 writes for the quick one; for the deaf one, what fits into the windows and buffers, and one more.
            #expect(log.writes.withLock { $0 } < 150)
            await slow.shutdown()
        }
    }

    @Test func `a shutdown ends streams with UNAVAILABLE, frees the port, and doesn't wait for peers that don't read`()
        async throws
    {
        let log = EchoLog()
        let server = Server(configuration: ServerConfiguration(), logger: Logger(label: "test")) { _ in Echo(log) }
        let port = try await server.start(address: "127.0.0.1:0", security: .plaintext)
        let channel = try Channel(address: "127.0.0.1:\(port)")
        let streams = [await channel.open("/test/Echo"), await channel.open("/test/Echo")]
        let deaf = await channel.open("/test/Echo", isReading: false)
        await deaf.send([UInt8](repeating: 0, count: 3_000_000))
        try await eventually("all are open") { await server.collect { _ in true }.count == 3 }

        await server.shutdown(grace: .milliseconds(200))
        for stream in streams { #expect(await stream.end.code == .unavailable) }
        #expect(await server.collect { _ in true }.isEmpty, "a question after the end is answered too")
        await channel.shutdown()

        let next = Server(configuration: ServerConfiguration(), logger: Logger(label: "test")) { _ in Echo(log) }
        let again = try await next.start(address: "127.0.0.1:\(port)", security: .plaintext)
        #expect(again == port)
        await next.shutdown(grace: .seconds(1))
    }

    @Test func `a port that is taken is an error`() async throws {
        try await withEcho { _, _, port, log in
            let other = Server(configuration: ServerConfiguration(), logger: Logger(label: "test")) { _ in Echo(log) }
            await #expect(throws: TransportError.self) {
                _ = try await other.start(address: "127.0.0.1:\(port)", security: .plaintext)
            }
        }
    }

    @Test func `a server that isn't there is UNAVAILABLE`() async throws {
        let channel = try Channel(address: "127.0.0.1:1")
        #expect(await channel.open("/test/Echo").end.code == .unavailable)
        await channel.shutdown()
    }

    @Test func `a stream that is opened while its channel is shut down, or after, is over with CANCELLED`() async throws
    {
        let channel = try Channel(address: "127.0.0.1:1")
        let ends = await withTaskGroup { group in
            for _ in 0..<200 { group.addTask { await channel.open("/test/Echo").end.code } }
            await channel.shutdown()
            return await group.reduce(into: Set<GRPCStatus.Code>()) { $0.insert($1) }
        }
        #expect(ends.isSubset(of: [.cancelled, .unavailable]))
        let late = await channel.open("/test/Echo")
        await late.send([1])
        await late.cancel()
        #expect(await late.end.code == .cancelled)
    }

    @Test func `streams that come and go by the thousand leave nothing behind`() async throws {
        var configuration = ServerConfiguration()
        // It resets more young streams than clients do.
        configuration.connections.resetsPerSecond = 10_000
        try await withEcho(configuration) { server, channel, _, log in
            for _ in 0..<20 {
                await withTaskGroup { group in
                    for index in 0..<100 {
                        group.addTask {
                            let stream = await channel.open("/test/Echo")
                            if index % 2 == 0 { await stream.send([1]) }
                            await stream.cancel()
                        }
                    }
                }
            }
            let last = await channel.open("/test/Echo")
            await last.send([7])
            var messages = last.messages.makeAsyncIterator()
            let echo = try await messages.next()
            #expect(echo == [7])
            try await eventually("only the last is open") { await server.collect { _ in true }.count == 1 }
        }
    }
}

@Test func `a storm of streams is accepted one after the other, and none is refused`() async throws {
    var configuration = ServerConfiguration()
    configuration.limits.streamsPerSecond = 20
    try await withEcho(configuration) { _, channel, _, _ in
        let start = ContinuousClock.now
        // The first burst on both threads, and two seconds' worth.
        for _ in 0..<60 {
            let stream = await channel.open("/test/Echo")
            await stream.send([1, 2])
            for try await answer in stream.messages {
                #expect(answer == [1, 2])
                break
            }
            await stream.cancel()
        }
        #expect(ContinuousClock.now - start > .seconds(1))
    }
}

@Test func `a flood of messages is read as fast as is allowed, and none is lost`() async throws {
    var configuration = ServerConfiguration()
    configuration.limits.messagesPerSecond = 100
    try await withEcho(configuration) { _, channel, _, _ in
        let stream = await channel.open("/test/Echo")
        let start = ContinuousClock.now
        for number in 0..<200 { await stream.send([UInt8(number), 0]) }
        var answers: [UInt8] = []
        for try await answer in stream.messages {
            answers.append(answer[0])
            if answers.count == 200 { break }
        }
        #expect(answers == (0..<200).map { UInt8($0) })
        #expect(ContinuousClock.now - start > .milliseconds(900))
    }
}

@Test func `a paused stream that ends does not affect the stream that replaces it`() async throws {
    var configuration = ServerConfiguration()
    configuration.limits.messagesPerSecond = 50
    configuration.queues = 1
    // It resets more young streams than clients do.
    configuration.connections.resetsPerSecond = 10_000
    try await withEcho(configuration) { server, channel, _, _ in
        for _ in 0..<30 {
            // Each sends more than it may, is paused, and ends; others of the same size come at once.
            var flooding: [ClientStream] = []
            for _ in 0..<20 {
                let stream = await channel.open("/test/Echo")
                for number in 0..<60 { await stream.send([UInt8(number)]) }
                flooding.append(stream)
            }
            try await eventually("some are answered") {
                var messages = flooding[0].messages.makeAsyncIterator()
                return try await messages.next() != nil
            }
            for stream in flooding { await stream.cancel() }
            var next: [ClientStream] = []
            for _ in 0..<20 { next.append(await channel.open("/test/Echo")) }
            for stream in next { await stream.send([7]) }
            for stream in next {
                var messages = stream.messages.makeAsyncIterator()
                let echo = try await messages.next()
                #expect(echo == [7])
                await stream.cancel()
            }
        }
        try await eventually("all are over") { await server.collect { _ in true }.isEmpty }
    }
}

@Suite struct TLSTests {
    private struct Identity {
        var roots: String
        var server: KeyPair
        var client: KeyPair

        init(_ directory: String) throws {
            _ = try Certificates(makingIn: directory)
            let read = { (file: String) in try String(contentsOfFile: "\(directory)/\(file)", encoding: .utf8) }
            roots = try read("ca.crt")
            server = KeyPair(certificateChain: try read("ballast.crt"), privateKey: try read("ballast.key"))
            client = KeyPair(certificateChain: try read("client.crt"), privateKey: try read("client.key"))
        }
    }

    private func answer(_ stream: ClientStream) async -> Bool {
        await stream.send([1])
        var messages = stream.messages.makeAsyncIterator()
        return (try? await messages.next()) == [1]
    }

    @Test func `TLS serves whoever trusts the server's authority`() async throws {
        try await withTemporaryDirectory { directory in
            let identity = try Identity(directory)
            let security = ServerSecurity.tls(identity.server, clientCA: nil)
            let client = ChannelSecurity.tls(roots: identity.roots, serverName: "ballast.example", nil)
            try await withEcho(security: security, client: client) { _, channel, port, _ in
                #expect(await answer(channel.open("/test/Echo")))

                let plain = try Channel(address: "127.0.0.1:\(port)")
                #expect(await plain.open("/test/Echo").end.code == .unavailable)
                await plain.shutdown()
                let mistaken = ChannelSecurity.tls(roots: identity.roots, serverName: "other.example", nil)
                let other = try Channel(address: "127.0.0.1:\(port)", security: mistaken)
                #expect(await other.open("/test/Echo").end.code == .unavailable)
                await other.shutdown()
            }
        }
    }

    @Test func `mutual TLS serves only clients with a certificate of the authority`() async throws {
        try await withTemporaryDirectory { directory in
            let identity = try Identity(directory)
            let foreign = "\(directory)/foreign"
            try FileManager.default.createDirectory(atPath: foreign, withIntermediateDirectories: true)
            let stranger = try Identity(foreign)
            let security = ServerSecurity.tls(identity.server, clientCA: identity.roots)
            let client = ChannelSecurity.tls(roots: identity.roots, serverName: "ballast.example", identity.client)
            try await withEcho(security: security, client: client) { _, channel, port, _ in
                #expect(await answer(channel.open("/test/Echo")))
                for pair in [nil, stranger.client] {
                    let refused = try Channel(
                        address: "127.0.0.1:\(port)",
                        security: .tls(roots: identity.roots, serverName: "ballast.example", pair)
                    )
                    #expect(await refused.open("/test/Echo").end.code == .unavailable)
                    await refused.shutdown()
                }
            }
        }
    }

    @Test func `a broken certificate is an error`() async throws {
        let log = EchoLog()
        let server = Server(configuration: ServerConfiguration(), logger: Logger(label: "test")) { _ in Echo(log) }
        let pair = KeyPair(certificateChain: "no", privateKey: "PEM")
        await #expect(throws: TransportError.self) {
            _ = try await server.start(address: "127.0.0.1:0", security: .tls(pair, clientCA: nil))
        }
    }
}
