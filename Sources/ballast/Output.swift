import AdminAPI
import ArgumentParser
import Foundation
import Synchronization

/// Whether a command prints again and again.
struct WatchOptions: ParsableArguments {
    @Flag(name: .shortAndLong, help: "Print again every second what changed, until interrupted.")
    var watch = false

    /// Runs a command's body once, or every second; what is printed twice in a row is shown once.
    func repeating(_ body: () async throws -> Void) async throws {
        try await reportingFailures {
            repeat {
                Output.begin(isWatching: watch)
                do {
                    try await body()
                } catch let failure as CommandFailure where watch && failure.code == .unreachable {
                    // It may be starting anew.
                    Output.write("error: \(failure.sentence)")
                }
                Output.end()
                if watch { try await Task.sleep(for: .seconds(1)) }
            } while watch
        }
    }
}

/// Collects what a watching command prints, and writes it if it differs from the last time.
enum Output {
    private struct State {
        /// What the command has printed; nil if it doesn't watch.
        var lines: [String]?
        var last: [String] = []
    }

    private static let state = Mutex(State())

    static func begin(isWatching: Bool) { state.withLock { $0.lines = isWatching ? [] : nil } }

    /// Writes a line, now or at the end.
    static func write(_ line: String) {
        let isCollected = state.withLock { state in
            state.lines?.append(line)
            return state.lines != nil
        }
        if !isCollected { put([line]) }
    }

    static func end() {
        let news = state.withLock { state -> [String]? in
            defer { state.lines = nil }
            guard let found = state.lines, found != state.last else { return nil }
            state.last = found
            return found
        }
        if let news { put([Date().ISO8601Format()] + news) }
    }

    private static func put(_ lines: [String]) {
        let data = Data(lines.map { $0 + "\n" }.joined().utf8)
        // The reader may have enough, such as `head`.
        if (try? FileHandle.standardOutput.write(contentsOf: data)) == nil { exit(0) }
    }
}

/// Writes a line to the standard output; a watching command writes it only with what changed.
func print(_ line: String) { Output.write(line) }

/// Prints rows with aligned columns; the first row has the titles.
func printTable(_ rows: [[String]]) {
    let widths = (rows.first ?? []).indices.map { column in
        rows.map { $0.count > column ? $0[column].count : 0 }.max() ?? 0
    }
    for row in rows {
        let cells = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
        print(cells.joined(separator: "  ").trimmingSuffix(" "))
    }
}

extension String {
    func trimmingSuffix(_ character: Character) -> String {
        var text = Substring(self)
        while text.last == character { text.removeLast() }
        return String(text)
    }
}

/// A page as JSON, as the API sends it.
func printJSON(_ page: some Encodable) throws {
    Output.write(String(decoding: try AdminJSON.encode(page), as: UTF8.self).trimmingSuffix("\n"))
}
