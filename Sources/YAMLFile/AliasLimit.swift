/// How many aliases (`*name`) a YAML text may have.
///
/// An alias of lists of aliases stands for as many parts as 2 to the power of its depth, and a reader looks at all of them,
/// to compare keys for one thing. Depth itself is limited by the parser, to 1,000.
public enum AliasLimit {
    /// As many as can't make a text much longer than it is: with 8 it is 20 times as long at most.
    static let most = 8
    /// A longer text may have none, in bytes.
    static let longestText = 256 << 10

    /// Counts what may be an alias: a `*` at the beginning of a word, even inside of texts and comments, which only the
    /// parser can tell from others.
    ///
    /// - Parameter file: for the error.
    public static func check(_ text: String, file: String) throws(ConfigurationError) {
        let most = text.utf8.count > longestText ? 0 : most
        var count = 0
        var line = 1
        var isStart = true
        var isStar = false
        for byte in text.utf8 {
            if isStar, !blank.contains(byte), byte != star { count += 1 }
            isStar = isStart && byte == star
            isStart = blank.contains(byte) || opening.contains(byte)
            if byte == UInt8(ascii: "\n") { line += 1 }
            guard count <= most else {
                throw ConfigurationError(
                    file: file, line: line,
                    message: """
                        has more than \(most) aliases (`*name`; 8 are allowed, and none in a text of more than \
                        \(longestText) bytes): write out what they stand for
                        """)
            }
        }
    }

    private static let star = UInt8(ascii: "*")
    private static let blank = Set(" \t\r\n".utf8)
    private static let opening = Set("[{,:-?".utf8)
}
