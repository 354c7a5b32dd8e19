/// Who wants something, and where that is written.
public struct FieldOrigin: Hashable, Sendable, CustomStringConvertible {
    /// The path of the file.
    public var file: String
    /// Counted from 1.
    public var line: Int

    /// A line of a file.
    public init(file: String, line: Int) {
        self.file = file
        self.line = line
    }

    /// `/etc/ballast/ballast.yaml:12`.
    public var description: String { "\(file):\(line)" }
}
