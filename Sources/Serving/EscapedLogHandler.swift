public import Logging
import XDS

/// Passes log lines on with every text cut and escaped: clients and sources choose some of them.
///
/// A line stays a line, and a terminal shows it as it is: what is no printable character is written as `\u{1b}`.
public struct EscapedLogHandler<Base: LogHandler>: LogHandler {
    /// The longest text as it is logged, in bytes; of what was longer, the end is left out.
    private static var longestText: Int { 500 }

    private var base: Base

    /// A handler in front of another.
    public init(_ base: Base) { self.base = base }

    /// The least severe level that is passed on.
    public var logLevel: Logger.Level {
        get { base.logLevel }
        set { base.logLevel = newValue }
    }

    /// What every line carries.
    public var metadata: Logger.Metadata {
        get { base.metadata }
        set { base.metadata = newValue }
    }

    /// What every line carries.
    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { base[metadataKey: key] }
        set { base[metadataKey: key] = newValue }
    }

    /// Passes a line on.
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
    /// Whether it shows as itself: no control, and nothing that changes the direction or the place of others.
    fileprivate var isPrintable: Bool {
        switch generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
        default: true
        }
    }
}
