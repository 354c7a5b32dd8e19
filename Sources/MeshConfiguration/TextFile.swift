public import Foundation

/// Files that people or tools write, read whole.
public enum TextFile {
    /// The file's text.
    public static func read(_ path: String) throws(ConfigurationError) -> String {
        let data: Data
        do {
            data = try Data(contentsOf: URL(fileURLWithPath: path))
        } catch {
            throw ConfigurationError(file: path, message: "can't be read: \(reason(error))")
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

    private static func reason(_ error: any Error) -> String {
        let error = error as NSError
        if error.domain == NSCocoaErrorDomain, error.code == CocoaError.fileReadNoSuchFile.rawValue {
            return "there is no such file"
        }
        if error.domain == NSCocoaErrorDomain, error.code == CocoaError.fileReadNoPermission.rawValue {
            return "permission denied"
        }
        return error.localizedDescription
    }
}
