import DequeModule

/// Streams that wait to be opened: those of one connection in order, and the connections in turn.
///
/// One connection with many streams keeps others waiting no longer than one with a single stream.
struct WaitingLine {
    private struct Line {
        /// In order; those that left the line are skipped.
        var all: Deque<OwnerID> = []
        var members: Set<OwnerID> = []
    }

    private var lines: [String: Line] = [:]
    /// The connections that have a line; the first is next.
    private var turns: Deque<String> = []
    /// How many wait.
    private(set) var count = 0

    /// Puts a stream at the end of its connection's line.
    mutating func append(_ stream: OwnerID, of connection: String) {
        if lines[connection] == nil { turns.append(connection) }
        lines[connection, default: Line()].all.append(stream)
        lines[connection]?.members.insert(stream)
        count += 1
    }

    /// Takes the stream whose turn it is.
    mutating func next() -> OwnerID? {
        guard let connection = turns.popFirst() else { return nil }
        while let stream = lines[connection]?.all.popFirst() {
            guard lines[connection]?.members.remove(stream) != nil else { continue }
            count -= 1
            if lines[connection]?.members.isEmpty == true {
                lines[connection] = nil
            } else {
                turns.append(connection)
            }
            return stream
        }
        // A connection whose streams have all left has no line.
        preconditionFailure("a connection in turn has a stream that waits")
    }

    /// Takes a stream out of the line, if it is in it.
    mutating func remove(_ stream: OwnerID, of connection: String) {
        guard lines[connection]?.members.remove(stream) != nil else { return }
        count -= 1
        guard let line = lines[connection] else { return }
        if line.members.isEmpty {
            lines[connection] = nil
            turns.removeAll { $0 == connection }
        } else if line.all.count > 2 * line.members.count + 64 {
            lines[connection]?.all.removeAll { !line.members.contains($0) }
        }
    }
}
