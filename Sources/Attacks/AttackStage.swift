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

    /// Runs a server for as long as `body` runs.
    ///
    /// - Parameters:
    ///   - name: of the directory.
    ///   - openFiles: the most open files that the server may have; nil for what this process may have.
    ///   - prepare: writes further files to the directory before the server starts.
    func withVictim<Result>(
        _ name: String, _ configuration: VictimConfiguration, openFiles: Int? = nil,
        prepare: (_ directory: String) async throws -> Void = { _ in }, _ body: (Victim) async throws -> Result
    ) async throws -> Result {
        let place = "\(directory)/\(name)"
        try? FileManager.default.removeItem(atPath: place)
        try FileManager.default.createDirectory(atPath: "\(place)/certs", withIntermediateDirectories: true)
        _ = try Certificates(in: "\(place)/certs")
        try await prepare(place)
        let victim = try await Victim(
            ballast, configuration, directory: place, openFiles: openFiles, group: group)
        do {
            let result = try await body(victim)
            await victim.stop()
            return result
        } catch {
            await victim.stop()
            throw error
        }
    }
}
