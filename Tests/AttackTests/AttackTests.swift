import Attacks
import Foundation
import Testing
import TestSupport

/// The short forms of all attacks, on the `ballast` that was built with the tests.
///
/// One after the other. How long things take is measured by `make attack`, and not here: a machine may be busy.
@Suite(.serialized) struct AttackTests {
    private static let ballast = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        .appendingPathComponent("ballast").path

    @Test(arguments: AttackSuite.all.map(\.name))
    func `an attack stays within its bar`(_ name: String) async throws {
        let attack = try #require(AttackSuite.all.first { $0.name == name })
        // A server that doesn't hold is ended before it takes the machine's memory; not every machine lets us.
        let group = try? ControlGroup(memoryBytes: 1 << 30, cores: 2)
        defer { group?.remove() }
        try await withTemporaryDirectory { directory in
            let stage = AttackStage(
                ballast: Self.ballast, directory: directory, scale: AttackScale(isShort: true), group: group)
            let result = await AttackSuite.play(attack, on: stage)
            #expect(result.isHeldButForDelays, "\(result.bar): \(result.text)")
        }
    }
}
