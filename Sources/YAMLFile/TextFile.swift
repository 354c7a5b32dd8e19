public import Foundation

/// Files that people or tools write, read whole.
public enum TextFile {
    /// The file's text.
    public static func read(_ path: String) throws(ConfigurationError) -> String {
        let data: Data
        do {
            data = try Data(contentsOf: URL(fileURLWithPath: path))
        } catch {
            throw ConfigurationError(file: path, message: reason(path))
        }
        return try text(of: data, file: path)
    }

    /// The file's text without the space around it.
    public static func token(_ path: String) throws(ConfigurationError) -> String {
        try read(path).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// The text in a file's bytes; `file` is for errors.
    public static func text(of data: Data, file: String) throws(ConfigurationError) -> String {
        guard let text = String(data: data, encoding: .utf8) else {
            throw ConfigurationError(file: file, message: "is not UTF-8 text")
        }
        return text
    }

    /// Foundation's errors don't say why.
    private static func reason(_ path: String) -> String {
        let files = FileManager.default
        guard files.fileExists(atPath: path) else {
            let directory = URL(fileURLWithPath: path).deletingLastPathComponent().path
            return files.fileExists(atPath: directory)
                ? "there is no such file" : "there is no such file: the directory \(directory) doesn't exist"
        }
        let type = try? files.attributesOfItem(atPath: path)[.type] as? FileAttributeType
        if type == .typeDirectory { return "is a directory, and should be a file" }
        return files.isReadableFile(atPath: path)
            ? "can't be read" : "may not be read by this user: look at its owner and mode"
    }
}
