import Foundation
import Overrides
import Testing
import TestSupport

/// A store whose writes let other tasks run meanwhile.
private struct SlowStore: OverrideStore {
    func load() async throws(OverrideStoreError) -> (overrides: [Override], warnings: [String]) { ([], []) }
    func isTaken(_ id: String) async -> Bool { false }
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

/// A store that can't be written while it is full.
private actor FullStore: OverrideStore {
    private(set) var stored: [Override.Transition] = []
    private var isFull = false

    func fill(_ isFull: Bool) { self.isFull = isFull }
    func load() async throws(OverrideStoreError) -> (overrides: [Override], warnings: [String]) { ([], []) }
    func isTaken(_ id: String) async -> Bool { false }
    func create(_ override: Override) async throws(OverrideStoreError) {}
    func append(_ transition: Override.Transition, to id: String) async throws(OverrideStoreError) {
        guard !isFull else { throw OverrideStoreError("no space left") }
        stored.append(transition)
    }
}

/// Creates and changes overrides.
@Suite struct OverrideControllerTests {
    @Test func `a way back takes effect though the disk is full, and is stored when it isn't any more`() async throws {
        let store = FullStore()
        let controller = OverrideController(store: store) { _ in }
        let override = try await controller.create(spec, by: "anna", ifRevision: 0)
        await store.fill(true)
        await #expect(throws: OverrideError.self) {
            try await controller.append(.revert, to: override.id, by: "anna", reason: "back")
        }
        #expect(controller.book.current(at: Date()).isEmpty, "ended all the same")
        #expect(await controller.writeFailure == "no space left")
        await controller.storeReverts()
        #expect(await store.stored.isEmpty)
        await store.fill(false)
        await controller.storeReverts()
        #expect(await store.stored.map(\.type) == [.revert])
        #expect(await controller.writeFailure == nil)
        await controller.storeReverts()
        #expect(await store.stored.count == 1)
    }

    @Test(arguments: [
        ("/start", "a start long ago"), ("/until", "an end less than a millisecond after the start"),
        ("/shares/west~1x y", "a line break in a zone"), ("/drain/pod", "no name"), ("/drain/zone", "a name too long"),
        ("/views", "a view twice"), ("/reason", "a reason of 60,000 bytes"),
        ("/abort", "a comparison for all services"),
    ])
    func `a spec that no journal should have is refused`(field: String, what: String) async throws {
        var bad = spec
        let now = Date()
        switch what {
        case "a start long ago": bad.start = Date(timeIntervalSince1970: -1)
        case "an end less than a millisecond after the start":
            (bad.permanent, bad.start, bad.until) = (nil, now + 10, now + 10.000_000_5)
        case "a line break in a zone": bad.shares = ["west/x\ny": 20]
        case "no name": (bad.shares, bad.drain) = (nil, OverrideSpec.Target(cluster: "west", pod: ""))
        case "a name too long":
            (bad.shares, bad.drain) = (
                nil, OverrideSpec.Target(cluster: "west", zone: String(repeating: "z", count: 254))
            )
        case "a view twice": bad.views = ["east", "east"]
        case "a reason of 60,000 bytes": bad.reason = "abc" + String(repeating: "\u{301}", count: 30_000)
        default:
            (bad.service, bad.shares, bad.drain) = ("*", nil, OverrideSpec.Target(cluster: "west"))
            bad.abort = AbortConditions(errors: AbortConditions.Errors(times: 2))
        }
        #expect(bad.problems(at: now).map(\.pointer).contains(field), "\(what): \(bad.problems(at: now))")
    }

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
