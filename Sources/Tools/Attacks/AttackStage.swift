import Foundation
import TestBench

/// The environment of the attacks: the program to attack, and a directory for files.
public struct AttackStage: Sendable {
    /// The `ballast` program.
    public var ballast: String
    /// Contains a directory for each attack.
    public var directory: String
    /// The size of the attacks.
    public var scale: AttackScale
    /// The resource limits of the attacked processes; nil for none.
    public var group: ControlGroup?

    /// Creates a stage.
    public init(ballast: String, directory: String, scale: AttackScale, group: ControlGroup? = nil) {
        self.ballast = ballast
        self.directory = directory
        self.scale = scale
        self.group = group
    }

    /// Creates an attack's directory anew, with a mesh's certificates in `certs`.
    func makeDirectory(_ name: String) throws -> String {
        let place = "\(directory)/\(name)"
        try? FileManager.default.removeItem(atPath: place)
        try FileManager.default.createDirectory(atPath: "\(place)/certs", withIntermediateDirectories: true)
        _ = try Certificates(in: "\(place)/certs")
        return place
    }

    /// Runs a server while `body` runs.
    ///
    /// - Parameters:
    ///   - place: the directory from `makeDirectory`.
    ///   - openFiles: the server's limit on open files; nil for this process's limit.
    ///   - files: other files to write before the server starts, by name.
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
