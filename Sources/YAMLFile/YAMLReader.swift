import Yams

/// A place in a YAML file, which knows how to complain about itself.
public struct YAMLReader {
    private let node: Node
    /// The file's path, as it was given.
    public let file: String
    private let field: String

    /// Reads a file's text.
    ///
    /// Empty text is an error: a file that is being written over in place is empty for a moment.
    public init(text: String, file: String) throws(ConfigurationError) {
        self.file = file
        field = ""
        try AliasLimit.check(text, file: file)
        let parsed: Node?
        do {
            // No rules for what a word means: each field has a type, and Yams' rules are regular expressions.
            parsed = try compose(yaml: text, .basic)
        } catch {
            throw Self.syntaxError(error, file: file)
        }
        guard let parsed else {
            throw ConfigurationError(file: file, field: "", message: "the file is empty")
        }
        node = parsed
    }

    private init(_ node: Node, file: String, field: String) {
        self.node = node
        self.file = file
        self.field = field
    }

    /// Where it is in the file, counted from 1.
    public var line: Int? { node.mark?.line }

    /// An error about this place.
    public func error(_ message: String) -> ConfigurationError {
        ConfigurationError(
            file: file, line: node.mark?.line, field: field, value: node.scalar?.string, message: message)
    }

    /// The fields of a mapping, all of whose keys must be known.
    public func mapping(_ known: String...) throws(ConfigurationError) -> [String: YAMLReader] { try mapping(known) }

    /// The fields of a mapping, all of whose keys must be known.
    public func mapping(_ known: [String]) throws(ConfigurationError) -> [String: YAMLReader] {
        let entries = try entries()
        for (key, value) in entries where !known.contains(key) {
            throw value.error("there is no such field here; there are: \(known.joined(separator: ", "))")
        }
        return Dictionary(entries, uniquingKeysWith: { first, _ in first })
    }

    /// The entries of a mapping whose keys are names, in the order of the file.
    public func entries() throws(ConfigurationError) -> [(key: String, value: YAMLReader)] {
        guard let mapping = node.mapping else { throw error("should be a mapping (`name: value`)") }
        var entries: [(key: String, value: YAMLReader)] = []
        for (key, value) in mapping {
            guard let name = key.scalar?.string, !name.isEmpty else {
                throw YAMLReader(key, file: file, field: field).error("a key should be a name")
            }
            entries.append((name, YAMLReader(value, file: file, field: field.isEmpty ? name : "\(field).\(name)")))
        }
        return entries
    }

    /// Whether this is a mapping.
    public var isMapping: Bool { node.mapping != nil }

    /// The elements of a list.
    public func list() throws(ConfigurationError) -> [YAMLReader] {
        guard let sequence = node.sequence else { throw error("should be a list") }
        return sequence.enumerated().map { YAMLReader($1, file: file, field: "\(field)[\($0)]") }
    }

    /// Text that isn't empty.
    public func text() throws(ConfigurationError) -> String {
        guard let scalar = node.scalar, !scalar.string.isEmpty, !scalar.isNull else { throw error("should be text") }
        return scalar.string
    }

    /// A value that is written as text; `message` says what it should look like.
    public func value<Value>(_ message: String, _ parse: (String) -> Value?) throws(ConfigurationError) -> Value {
        guard let text = node.scalar?.string, let value = parse(text) else { throw error(message) }
        return value
    }

    /// A whole number within a range.
    public func integer(in range: ClosedRange<Int>) throws(ConfigurationError) -> Int {
        try value("should be a whole number from \(range.lowerBound) to \(range.upperBound)") { text in
            Int(text).flatMap { range.contains($0) ? $0 : nil }
        }
    }

    /// The words of YAML 1.1 for yes and no.
    public static let truths = ["true": true, "on": true, "yes": true, "false": false, "off": false, "no": false]

    /// `true` or `false`, or another word for it.
    public func flag() throws(ConfigurationError) -> Bool {
        try value("should be true or false") { Self.truths[$0.lowercased()] }
    }

    /// A length of time: `500ms`, `10s`, `5m`; at least a millisecond, at most a day.
    public func duration() throws(ConfigurationError) -> Duration {
        try value("should be a length of time from 1ms to 24h, such as 500ms, 10s or 5m") { text in
            let units: [(String, Int)] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)]
            for (unit, milliseconds) in units where text.hasSuffix(unit) {
                guard let number = Int(text.dropLast(unit.count)), (1...86_400_000).contains(number),
                    number * milliseconds <= 86_400_000
                else { continue }
                return .milliseconds(number * milliseconds)
            }
            return nil
        }
    }

    /// One of an enumeration's words.
    public func choice<Choice: RawRepresentable & CaseIterable>(
        _ type: Choice.Type
    ) throws(ConfigurationError) -> Choice where Choice.RawValue == String {
        try value(
            "should be one of: \(Choice.allCases.map(\.rawValue).joined(separator: ", "))", Choice.init(rawValue:))
    }

    /// What the parser's words mostly mean.
    private static func hint(_ problem: String) -> String {
        switch problem {
        case _
        where problem.contains("expected key") || problem.contains("block end") || problem.contains("node content"):
            ". A line here or before is indented otherwise than its neighbours, or a bracket or quote is not closed"
        case _ where problem.contains("mapping values are not allowed"):
            ". A line before lacks its colon, or this one is indented too far"
        case _ where problem.contains("cannot start any token"): ". YAML is indented by spaces, not by tabs"
        case _ where problem.contains("could not find expected ':'"): ". A name lacks its colon and the space after it"
        default: ""
        }
    }

    private static func syntaxError(_ error: any Error, file: String) -> ConfigurationError {
        guard let error = error as? YamlError else {
            return ConfigurationError(file: file, field: "", message: "\(error)")
        }
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            return ConfigurationError(
                file: file, line: mark.line, field: "", message: "not valid YAML: \(problem)\(hint(problem))")
        case .duplicatedKeysInMapping(let duplicates, let context):
            return ConfigurationError(
                file: file, line: context.mark.line, field: "",
                message: "the same key twice: \(duplicates.joined(separator: ", "))"
            )
        default:
            return ConfigurationError(file: file, field: "", message: "not valid YAML: \(error)")
        }
    }
}

extension Node.Scalar {
    /// Whether it is YAML's null: one of its words without quotes.
    fileprivate var isNull: Bool { style == .plain && ["~", "null", "Null", "NULL"].contains(string) }
}

extension [String: YAMLReader] {
    /// A field that has to be there.
    public func required(_ key: String, of parent: YAMLReader) throws(ConfigurationError) -> YAMLReader {
        guard let value = self[key] else { throw parent.error("the field `\(key)` is missing") }
        return value
    }
}
