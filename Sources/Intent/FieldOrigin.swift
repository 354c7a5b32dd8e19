/// Where a setting is written.
public struct FieldOrigin: Hashable, Sendable, CustomStringConvertible {
    /// The path of the file.
    public var file: String
    /// The line, counted from 1.
    public var line: Int

    /// Creates an origin.
    public init(file: String, line: Int) {
        self.file = file
        self.line = line
    }

    /// The origin as text, such as `/etc/ballast/ballast.yaml:12`.
    public var description: String { "\(file):\(line)" }
}
