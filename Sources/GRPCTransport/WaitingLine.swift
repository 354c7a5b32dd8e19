import DequeModule

/// A queue of streams that wait to be opened: first in, first out for each connection, round robin between connections.
///
/// A connection with many streams doesn't delay other connections.
struct WaitingLine {
    private struct Line {
        /// In order; streams that are no longer in `members` are skipped.
        var all: Deque<OwnerID> = []
        var members: Set<OwnerID> = []
    }

    private var lines: [String: Line] = [:]
    /// The connections that have a line; the first is next.
    private var turns: Deque<String> = []
    private(set) var count = 0

    /// Adds a stream to the end of its connection's line.
    mutating func append(_ stream: OwnerID, of connection: String) {
        if lines[connection] == nil { turns.append(connection) }
        lines[connection, default: Line()].all.append(stream)
        lines[connection]?.members.insert(stream)
        count += 1
    }

    /// Removes and returns the next stream.
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
        // A connection without waiting streams has no line and no turn.
        preconditionFailure("a connection in turn has a stream that waits")
    }

    /// Removes a stream if it is in the line.
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
