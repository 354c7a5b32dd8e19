import Foundation
import Overrides
import Testing
import TestSupport

/// A store whose writes let other tasks run meanwhile.
private struct SlowStore: OverrideStore {
    func load() async throws(OverrideStoreError) -> (overrides: [Override], warnings: [String]) { ([], []) }
    func create(_ override: Override) async throws(OverrideStoreError) { await write() }
    func append(_ transition: Override.Transition, to id: String) async throws(OverrideStoreError) { await write() }
    private func write() async { for _ in 0..<100 { await Task.yield() } }
}

private var spec: OverrideSpec {
    var spec = OverrideSpec(service: "s", reason: "a test")
    spec.shares = ["west": 20]
    spec.permanent = true
    return spec
}

/// Creates and changes overrides.
@Suite struct OverrideControllerTests {
    @Test func `of writers that saw the same state one succeeds, however slow the store is`() async throws {
        let controller = OverrideController(store: SlowStore()) { _ in }
        for _ in 0..<40 {
            // Some look while another writes.
            let created = await withTaskGroup(of: Override?.self) { group in
                let (book, _) = await controller.state
                for delay in 0..<5 {
                    group.addTask {
                        for _ in 0..<(delay * 20) { await Task.yield() }
                        let (seen, revision) = await controller.state
                        // A plan on the same overrides is the same plan.
                        guard seen == book else { return nil }
                        return try? await controller.create(spec, by: "anna", ifRevision: revision)
                    }
                }
                return await group.reduce(into: [Override]()) { if let one = $1 { $0.append(one) } }
            }
            #expect(created.count == 1)
            for one in created { _ = try await controller.append(.revert, to: one.id, by: "anna", reason: "") }
        }
    }

    @Test func `an override can be ended after any number of pauses, and only once`() async throws {
        let controller = OverrideController(store: MemoryStore()) { _ in }
        var ramped = spec
        ramped.ramp = OverrideSpec.Ramp(over: "1h", steps: 4)
        let one = try await controller.create(ramped, by: "anna", ifRevision: await controller.state.revision)
        for _ in 0..<500 {
            _ = try await controller.append(.pause, to: one.id, by: "anna", reason: "")
            _ = try await controller.append(.resume, to: one.id, by: "anna", reason: "")
        }
        await #expect(throws: OverrideError.self) {
            try await controller.append(.pause, to: one.id, by: "anna", reason: "")
        }
        _ = try await controller.append(.revert, to: one.id, by: "anna", reason: "")
        await #expect(throws: OverrideError.self) {
            try await controller.append(.revert, to: one.id, by: "anna", reason: "")
        }
    }

    @Test func `at most 8 of a service are in force, and the past and control characters are refused`() async throws {
        let controller = OverrideController(store: MemoryStore()) { _ in }
        let create = { (change: (inout OverrideSpec) -> Void) async throws -> Override in
            var changed = spec
            change(&changed)
            return try await controller.create(changed, by: "anna", ifRevision: await controller.state.revision)
        }
        for change: (inout OverrideSpec) -> Void in [
            {
                $0.permanent = nil; $0.until = Date() - 1
            },
            {
                $0.permanent = nil; $0.until = Date() + 400 * 86_400
            },
            { $0.start = Date() + 400 * 86_400 }, { $0.reason = "a\u{1b}[31mb" },
        ] { await #expect(throws: OverrideError.self) { try await create(change) } }
        for _ in 0..<8 { _ = try await create { _ in } }
        await #expect(throws: OverrideError.self) { try await create { _ in } }
        _ = try await create { $0.service = "other" }
        #expect(controller.book.all.map(\.createdAt) == controller.book.all.map(\.createdAt).sorted())
        #expect(Set(controller.book.all.map(\.createdAt)).count == 9)
    }
}
