public import Logging
import XDS

/// Passes log lines on with all texts truncated and escaped, because clients and sources choose some of them.
///
/// Unprintable characters are written as `\u{1b}`, so that a line stays one line and terminals show it unchanged.
public struct EscapedLogHandler<Base: LogHandler>: LogHandler {
    /// The maximum length of a text in bytes; longer texts are cut.
    private static var longestText: Int { 500 }

    private var base: Base

    /// Creates a handler in front of another.
    public init(_ base: Base) { self.base = base }

    /// The lowest level that is passed on.
    public var logLevel: Logger.Level {
        get { base.logLevel }
        set { base.logLevel = newValue }
    }

    /// The metadata of every line.
    public var metadata: Logger.Metadata {
        get { base.metadata }
        set { base.metadata = newValue }
    }

    /// A metadata value of every line.
    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { base[metadataKey: key] }
        set { base[metadataKey: key] = newValue }
    }

    /// Escapes a line and passes it on.
    public func log(event: LogEvent) {
        var event = event
        event.message = Logger.Message(stringLiteral: Self.escape("\(event.message)"))
        event.metadata = event.metadata?.mapValues { .string(Self.escape("\($0)")) }
        base.log(event: event)
    }

    static func escape(_ text: String) -> String {
        let cut = text.prefix(utf8Count: longestText)
        let isPlain = cut.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7f }
        let escaped = isPlain ? cut : cut.unicodeScalars.map(escape).joined().prefix(utf8Count: longestText)
        return cut.utf8.count < text.utf8.count ? "\(escaped)... (\(text.utf8.count) bytes)" : escaped
    }

    private static func escape(_ scalar: Unicode.Scalar) -> String {
        scalar.properties.isPrintable ? String(scalar) : "\\u{\(String(scalar.value, radix: 16))}"
    }
}

extension Unicode.Scalar.Properties {
    /// Whether the character is printable: not a control, and nothing that changes the direction or position of others.
    fileprivate var isPrintable: Bool {
        switch generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
        default: true
        }
    }
}
