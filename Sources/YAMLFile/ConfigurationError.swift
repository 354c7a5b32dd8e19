/// Something in a file that a person wrote can't be used: where, what, and what to do.
public struct ConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The file's path, as it was given.
    public var file: String
    /// Counted from 1; nil where the whole file is meant.
    public var line: Int?
    /// The path of the field, such as `services.httpbin[0].address`; empty where the whole file is meant.
    public var field: String
    /// The offending value, as written; nil where there is none.
    public var value: String?
    /// What is wrong and what to do.
    public var message: String
    /// What else is wrong in the file.
    public var others: [ConfigurationError] = []

    /// An error.
    public init(file: String, line: Int? = nil, field: String = "", value: String? = nil, message: String) {
        self.file = file
        self.line = line
        self.field = field
        self.value = value
        self.message = message
    }

    /// One error of several, at least one; each by itself is in `all`.
    public init(_ errors: [ConfigurationError]) {
        self = errors[0]
        others += errors.dropFirst()
    }

    /// Each error by itself.
    public var all: [ConfigurationError] {
        var first = self
        first.others = []
        return [first] + others
    }

    /// `file:line: field: "value": message`, leaving out what isn't known; of several errors, one after the other.
    public var description: String {
        guard others.isEmpty else { return all.map(\.description).joined(separator: "; and ") }
        var parts = file.isEmpty ? [] : [line.map { "\(file):\($0)" } ?? file]
        if !field.isEmpty { parts.append(field) }
        if let value { parts.append("\"\(value.prefix(100))\"") }
        return (parts + [message]).joined(separator: ": ")
    }
}
