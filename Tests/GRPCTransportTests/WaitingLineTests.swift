import Testing

@testable import GRPCTransport

/// Streams that wait to be opened.
@Suite struct WaitingLineTests {
    private func line(_ connections: [String]) -> (line: WaitingLine, streams: [OwnerID]) {
        var line = WaitingLine()
        let streams = connections.map { connection in
            let stream = OwnerID.next()
            line.append(stream, of: connection)
            return stream
        }
        return (line, streams)
    }

    @Test func `connections take turns, and the streams of each keep their order`() {
        var (line, streams) = line(["a", "a", "a", "b", "c"])
        var order: [Int?] = []
        while let next = line.next() { order.append(streams.firstIndex(of: next)) }
        #expect(order == [0, 3, 4, 1, 2])
        #expect(line.count == 0)
    }

    @Test func `one that leaves is skipped, and costs nothing`() {
        var (line, streams) = line(["a", "a", "b"])
        line.remove(streams[0], of: "a")
        line.remove(streams[2], of: "b")
        line.remove(streams[2], of: "b")
        #expect(line.count == 1)
        #expect(line.next() == streams[1])
        #expect(line.next() == nil)
    }

    @Test func `a connection that fills the line with streams that die leaves nothing in it`() {
        var line = WaitingLine()
        for _ in 0..<100_000 {
            let stream = OwnerID.next()
            line.append(stream, of: "a")
            line.remove(stream, of: "a")
        }
        let kept = (0..<10).map { _ in OwnerID.next() }
        for stream in kept { line.append(stream, of: "a") }
        for _ in 0..<1_000 {
            let stream = OwnerID.next()
            line.append(stream, of: "a")
            line.remove(stream, of: "a")
        }
        #expect(line.count == 10)
        #expect((0..<10).compactMap { _ in line.next() } == kept)
        #expect(line.next() == nil)
    }
}
