import EnvoyAPI
import Foundation
import XXHash

/// A state file that can't be used.
public struct StateFileError: Error, Hashable, CustomStringConvertible {
    /// What is wrong with it.
    public let description: String
}

/// The form of a state file: one line of text, `ballast-state VERSION BYTES XXH64`, and then a message of that many bytes.
///
/// The message is a `ballast.state.v1.SavedCluster`.
enum StateFile {
    private static let magic = "ballast-state"
    /// The only version that is written and read.
    ///
    /// Version 1 had a format of its own; it was written up to Ballast 0.8.
    private static let version = 2

    /// The file's bytes.
    static func encode(_ saved: SavedCluster) -> Data {
        let message = saved.encoded
        let sum = String(xxHash64(message), radix: 16)
        return Data("\(magic) \(version) \(message.count) \(sum)\n".utf8) + message
    }

    /// Reads a file's bytes, all or nothing.
    static func decode(_ data: Data) throws(StateFileError) -> SavedCluster {
        guard data.starts(with: Data("\(magic) ".utf8)), let end = data.firstIndex(of: UInt8(ascii: "\n")) else {
            throw StateFileError(description: "it is no state file of Ballast's")
        }
        let words = String(decoding: data[..<end], as: UTF8.self).split(separator: " ")
        let written = words.dropFirst().first ?? ""
        guard written == "\(version)" else {
            let age = Int(written).map { $0 < version } == true ? "an older" : "a newer"
            throw StateFileError(
                description: "it has the format of \(age) Ballast: \(written); this one reads \(version)")
        }
        let message = [UInt8](data[data.index(after: end)...])
        guard words.count == 4, Int(words[2]) == message.count,
            UInt64(words[3], radix: 16) == xxHash64(message)
        else {
            throw StateFileError(description: "it is torn or damaged: its length or its checksum is wrong")
        }
        do throws(DecodingFailure) {
            return try SavedCluster(message)
        } catch {
            throw StateFileError(description: "its content is invalid, though its checksum is right: \(error)")
        }
    }
}
