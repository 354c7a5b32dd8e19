import Foundation
import TestBench

/// Where attacks are played: the program that is attacked, and the room for its files.
public struct AttackStage: Sendable {
    /// The `ballast` program.
    public var ballast: String
    /// Each attack has a directory in it.
    public var directory: String
    /// How large attacks are.
    public var scale: AttackScale
    /// What the attacked processes may have of the machine; nil for all of it.
    public var group: ControlGroup?

    /// A stage.
    public init(ballast: String, directory: String, scale: AttackScale, group: ControlGroup? = nil) {
        self.ballast = ballast
        self.directory = directory
        self.scale = scale
        self.group = group
    }

    /// Makes an attack's directory anew, with a mesh's certificates in `certs`.
    func makeDirectory(_ name: String) throws -> String {
        let place = "\(directory)/\(name)"
        try? FileManager.default.removeItem(atPath: place)
        try FileManager.default.createDirectory(atPath: "\(place)/certs", withIntermediateDirectories: true)
        _ = try Certificates(in: "\(place)/certs")
        return place
    }

    /// Runs a server for as long as `body` runs.
    ///
    /// - Parameters:
    ///   - place: what `makeDirectory` returned.
    ///   - openFiles: the most open files that the server may have; nil for what this process may have.
    ///   - files: what else to write to the directory before the server starts, by the files' names.
    func withVictim<Result>(
        in place: String, _ configuration: VictimConfiguration, openFiles: Int? = nil, files: [String: String] = [:],
        _ body: (Victim) async throws -> Result
    ) async throws -> Result {
        for (file, text) in files { try text.write(toFile: "\(place)/\(file)", atomically: true, encoding: .utf8) }
        let victim = try await Victim(
            ballast, configuration, directory: place, openFiles: openFiles, patience: scale.patience, group: group)
        do {
            let result = try await body(victim)
            await victim.stop()
            victim.dropLongLog()
            return result
        } catch {
            await victim.stop()
            victim.dropLongLog()
            throw error
        }
    }
}
