import AdminAPI
import Foundation
import Intent
@testable import MeshConfiguration
import Model
import Serving
import TestBench
import Testing
import TestSupport

/// The repository's root.
private let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path

private func read(_ path: String) throws -> String { try String(contentsOfFile: "\(root)/\(path)", encoding: .utf8) }

/// All files below a folder with this extension.
private func files(_ folder: String, _ type: String) -> [String] {
    (FileManager.default.enumerator(atPath: "\(root)/\(folder)")?.compactMap { $0 as? String } ?? [])
        .filter { $0.hasSuffix(type) }.map { "\(folder)/\($0)" }.sorted()
}

private let documents = files("docs", ".md") + ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"]

/// Words in backticks, with the parts of paths such as `xds.tls.allow`.
private func codeWords(_ text: String) -> Set<String> {
    var words: Set<String> = []
    for match in text.matches(of: /`([^`\n]+)`/) {
        for word in match.1.split(whereSeparator: { !($0.isLetter || $0.isNumber || $0 == "_") }) {
            words.insert(String(word))
        }
    }
    return words
}

/// What the documents say is so: fields, metrics, paths, links, and commands with their output.
@Suite struct DocumentationTests {
    // MARK: Reference

    /// The keys that the code reads from the two files.
    private func configurationKeys() throws -> Set<String> {
        var keys = Set(EndpointsSettings.Kind.allCases.map(\.rawValue))
        for file in files("Sources/MeshConfiguration", ".swift") {
            let text = try read(file)
            for call in text.matches(of: /mapping\(([^()]*)\)/) {
                for key in call.1.matches(of: /"([A-Za-z0-9]+)"/) { keys.insert(String(key.1)) }
            }
            for key in text.matches(of: /fields\["([A-Za-z0-9]+)"\]/) { keys.insert(String(key.1)) }
            // Tables of fields: ("bytes", \.bytes)
            for key in text.matches(of: /\("([A-Za-z0-9]+)", \\\./) { keys.insert(String(key.1)) }
        }
        return keys
    }

    @Test func `every field of the configuration is in the reference, and every field there is read`() throws {
        let keys = try configurationKeys()
        #expect(keys.count > 80, "the keys are found in the code")
        let page = try read("docs/reference/configuration.md")
        let missing = keys.subtracting(codeWords(page))
        #expect(missing.isEmpty, "not in the reference: \(missing.sorted())")
        // The first column of the tables names fields; NAME and the like stand for names.
        for line in page.split(separator: "\n") where line.hasPrefix("| `") {
            let field = line.split(separator: "|")[0]
            for match in field.matches(of: /`([^`]+)`/) {
                let last = match.1.split(whereSeparator: { !($0.isLetter || $0.isNumber) }).last.map(String.init)
                // `role` is a field of the node's metadata, in a table of its own.
                guard let last, last.contains(where: \.isLowercase), last != "role" else { continue }
                #expect(keys.contains(last), "the code reads no field \(match.1)")
            }
        }
    }

    @Test func `every metric is in the reference, and every metric there exists`() throws {
        let page = try read("docs/reference/metrics.md")
        let documented = Set(page.matches(of: /`(ballast_[a-z_]+)/).map { String($0.1) })
        let known = Set(MetricName.allCases.map(\.rawValue))
        #expect(known.subtracting(documented).isEmpty)
        let series = documented.subtracting(known).filter { name in
            !["_bucket", "_sum", "_count"].contains {
                name.hasSuffix($0) && known.contains(String(name.dropLast($0.count)))
            }
        }
        #expect(series.isEmpty)
    }

    @Test func `every path and field of the admin API is in the reference, and every field there exists`() throws {
        let page = try read("docs/reference/admin-api.md")
        for route in AdminRoute.allCases {
            let path = ["name", "type", "resource"].reduce(route.rawValue) {
                $0.replacing("{\($1)}", with: $1.uppercased())
            }
            #expect(page.contains(path) || page.contains(route.rawValue), "\(path)")
        }
        var fields: Set<String> = []
        let pages = files("Sources/AdminAPI", ".swift").filter {
            !$0.hasSuffix("ProblemType.swift") && !$0.hasSuffix("CheckCode.swift")
        }
        for file in pages + [
            "Sources/Overrides/OverrideSpec.swift", "Sources/Overrides/Override.swift",
            "Sources/Overrides/AbortConditions.swift",
        ] {
            // A line that ends with a brace computes something that is not sent.
            let lines = try read(file).split(separator: "\n").filter {
                file.hasPrefix("Sources/AdminAPI") && !$0.contains(": String? { ") || !$0.hasSuffix("{")
            }
            for line in lines {
                if let match = line.firstMatch(of: /public var `?(\w+)`?:.*[^}]$/) { fields.insert(String(match.1)) }
            }
        }
        let missing = fields.subtracting(codeWords(page))
        #expect(missing.isEmpty, "not in the reference: \(missing.sorted())")
        for line in page.split(separator: "\n") where line.hasPrefix("| `") {
            for match in line.split(separator: "|")[0].matches(of: /`([a-z]\w*)(\[\])?`/) {
                let isKind = ClientKind(rawValue: String(match.1)) != nil
                // A parameter that no page has as a field.
                let isParameter = match.1 == "limit"
                #expect(isKind || isParameter || fields.contains(String(match.1)), "no page has a field \(match.1)")
            }
        }
    }

    @Test func `every command and option is in the reference`() throws {
        let page = try read("docs/reference/cli.md") + read("docs/reference/load.md")
        struct Help: Decodable { var command: Command }
        struct Command: Decodable {
            struct Argument: Decodable {
                struct Name: Decodable {
                    var kind: String
                    var name: String
                }
                var names: [Name]?
            }
            var commandName: String
            var arguments: [Argument]?
            var subcommands: [Command]?
        }
        let help = try run(ballast, ["--experimental-dump-help"], directory: root)
        var count = 0
        func check(_ command: Command, _ parents: [String]) {
            let name = (parents + [command.commandName]).joined(separator: " ")
            guard command.commandName != "help" else { return }
            #expect(page.contains("`\(name)") || page.contains("\(name) "), "\(name)")
            count += 1
            for option in (command.arguments ?? []).flatMap({ $0.names ?? [] }) where option.kind == "long" {
                #expect(page.contains("--\(option.name)"), "\(name) --\(option.name)")
            }
            for inner in command.subcommands ?? [] { check(inner, parents + [command.commandName]) }
        }
        check(try JSONDecoder().decode(Help.self, from: Data(help.utf8)).command, [])
        #expect(count > 20)
    }

    @Test(arguments: ["bash", "zsh", "fish"]) func `the completion script of a shell names every command`(
        _ shell: String
    ) throws {
        let script = try run(ballast, ["--generate-completion-script", shell], directory: root)
        for command in ["status", "what-if", "explain", "weights", "abort-on"] { #expect(script.contains(command)) }
        if shell == "bash" {
            try withTemporaryFile(script) { path in try run("bash", ["-n", path], directory: root) }
        }
    }

    private func withTemporaryFile(_ text: String, _ body: (String) throws -> Void) throws {
        let path = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString).path
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: path) }
        try body(path)
    }

    // MARK: Links

    @Test func `every link to a file, and to a heading, leads somewhere`() throws {
        for document in documents {
            let folder = URL(fileURLWithPath: "/\(document)").deletingLastPathComponent()
            for link in try read(document).matches(of: /\]\(([^()\s]+)\)/) where !link.1.contains("://") {
                let parts = link.1.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
                let target =
                    parts[0].isEmpty ? "/\(document)" : folder.appending(path: String(parts[0])).standardized.path
                #expect(FileManager.default.fileExists(atPath: root + target), "\(document): \(link.1)")
                guard parts.count == 2, target.hasSuffix(".md") else { continue }
                #expect(
                    try anchors(in: read(String(target.dropFirst()))).contains(String(parts[1])),
                    "\(document): \(link.1)")
            }
        }
    }

    /// The anchors of a page's headings, as GitHub makes them.
    private func anchors(in page: String) -> Set<String> {
        Set(
            page.split(separator: "\n").filter { $0.hasPrefix("#") }.map { line in
                String(
                    line.drop { $0 == "#" }.dropFirst().lowercased().map { $0 == " " ? "-" : $0 }
                        .filter { $0.isLetter || $0.isNumber || $0 == "-" || $0 == "_" })
            })
    }

    // MARK: Commands

    /// A block of commands that is marked as runnable.
    struct Block: Sendable, CustomTestStringConvertible {
        var document: String
        var number: Int
        var commands: String
        /// What it prints, if the document has it.
        var output: String?
        var testDescription: String { "\(document), block \(number)" }
    }

    private static let blocks: [Block] = documents.flatMap { document in
        let text = (try? read(document)) ?? ""
        return text.matches(of: /```sh test\n((?:.*\n)*?)```\n(?:\n```text\n((?:.*\n)*?)```)?/).enumerated().map {
            Block(document: document, number: $0 + 1, commands: String($1.1), output: $1.2.map { String($0) })
        }
    }

    private var ballast: String {
        URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().appending(path: "ballast").path
    }

    /// Each in a copy of the examples and in a network of its own, because the documents name ports.
    @Test(.serialized, arguments: blocks) func `the commands of a document run`(_ block: Block) async throws {
        try await withTemporaryDirectory { directory in
            try run(
                "cp", ["-r", "\(root)/envoy-configs", "\(root)/docs", "\(root)/README.md", directory], directory: root)
            let programs = URL(fileURLWithPath: ballast).deletingLastPathComponent().path
            let script = """
                ip link set lo up
                cd \(directory)
                export PATH=\(programs):$PATH
                set -e
                \(block.commands)
                """
            try script.write(toFile: "\(directory)/.block.sh", atomically: true, encoding: .utf8)
            // In a network and a process tree of its own: whatever the block starts ends with it.
            let output = try run(
                "timeout",
                [
                    "60", "unshare", "--map-root-user", "--net", "--pid", "--fork", "--kill-child", "--mount-proc",
                    "bash",
                    "\(directory)/.block.sh",
                ], directory: directory)
            if let expected = block.output { #expect(output == expected) }
        }
    }
}
