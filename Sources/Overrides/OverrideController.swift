public import Foundation
import Model
import Synchronization

/// Why an override can't be created or changed.
public enum OverrideError: Error, Hashable, Sendable {
    /// Fields of the spec can't be used.
    case invalid([FieldProblem])
    /// There is no override of that name.
    case unknown(String)
    /// The transition doesn't fit the override's phase, in a sentence.
    case phase(String)
    /// There are too many overrides, in a sentence.
    case full(String)
    /// Overrides are off, in a sentence.
    case noStore(String)
    /// The store failed, in a sentence.
    case store(String)
    /// Something changed since the caller looked.
    case outdated
}

/// A change of the overrides.
public enum OverrideChange: Sendable {
    /// The store was read.
    case loaded
    /// An override was created.
    case created(Override)
    /// A transition was added to an override.
    case appended(Override.Transition, to: Override)

    /// The override as it is now; nil for many.
    public var override: Override? {
        switch self {
        case .loaded: nil
        case .created(let override), .appended(_, let override): override
        }
    }
}

/// Creates and changes overrides; everything is in the store before it takes effect.
public actor OverrideController {
    /// The largest number of overrides that are not ended.
    public static let maxCurrent = 1_000
    /// The largest number of ended overrides that are kept in memory.
    public static let maxEnded = 1_000

    private let store: (any OverrideStore)?
    private let changed: @Sendable (OverrideChange) -> Void
    private let shared: Mutex<OverrideBook>
    /// Increases with each write.
    private var revision: UInt64 = 0
    /// Whether a write is under way; others wait for it.
    private var isWriting = false
    /// Why the store could not be read; nil if it was.
    public private(set) var loadFailure: String?
    /// Why the store could not be written the last time; nil if it could.
    public private(set) var writeFailure: String?
    /// Reverts that are in force although the store could not be written, by override.
    private var unstored: [String: Override.Transition] = [:]

    /// Creates a controller without overrides.
    ///
    /// - Parameters:
    ///   - store: nil if overrides are off.
    ///   - ceiling: how many times its part by pod weights a cluster or zone may get by shares.
    ///   - changed: called after each change.
    public init(store: (any OverrideStore)?, ceiling: Double = 3, changed: @escaping @Sendable (OverrideChange) -> Void)
    {
        self.store = store
        shared = Mutex(OverrideBook(ceiling: ceiling))
        self.changed = changed
    }

    /// All overrides.
    public nonisolated var book: OverrideBook { shared.withLock { $0 } }

    /// Reads the store; overrides that it contains take effect again.
    ///
    /// - Returns: warnings about what could not be read.
    public func load() async -> [String] {
        guard let store else { return [] }
        do throws(OverrideStoreError) {
            let (overrides, warnings) = try await store.load()
            shared.withLock { book in
                for override in overrides { book.merge(override) }
                book.forgetEnded(keeping: Self.maxEnded, at: Date())
            }
            loadFailure = nil
            if !overrides.isEmpty { changed(.loaded) }
            return warnings
        } catch {
            loadFailure = error.description
            return [error.description]
        }
    }

    /// Reads the store again and again until it can be read: another process may still use it.
    ///
    /// - Parameter report: called with the problem before each attempt, and with none at the end.
    public func retryLoading(_ report: @Sendable ([String]) -> Void) async {
        while let loadFailure {
            report(["no override is in force: \(loadFailure)"])
            guard (try? await Task.sleep(for: .seconds(2))) != nil else { return }
            _ = await load()
        }
        report([])
    }

    /// The state of the overrides, for `create`: it changes with every write.
    public var state: (book: OverrideBook, revision: UInt64) { (book, revision) }

    /// Creates an override.
    ///
    /// - Parameters:
    ///   - author: who wants it.
    ///   - expected: the revision that the caller looked at.
    ///   - key: the key by which the caller may repeat the request within a day.
    public func create(
        _ spec: OverrideSpec, by author: String, ifRevision expected: UInt64, key: String? = nil, at now: Date = Date()
    ) async throws(OverrideError) -> Override {
        await beginWriting()
        defer { isWriting = false }
        let store = try writableStore()
        if let known = try created(with: key, by: author, spec, at: now) { return known }
        let problems = spec.problems(at: now)
        guard problems.isEmpty else { throw .invalid(problems) }
        guard expected == revision else { throw .outdated }
        try checkRoom(for: spec, at: now)
        var id = Self.makeID()
        while true {
            let isTaken = await store.isTaken(id)
            guard isTaken || book[id] != nil else { break }
            id = Self.makeID()
        }
        // Later overrides are younger, even if the clock was set back.
        let createdAt = max(now.rounded, book.all.last.map { $0.createdAt + 0.001 } ?? now.rounded)
        let override = Override(id: id, spec: spec, createdAt: createdAt, createdBy: author, key: key)
        do throws(OverrideStoreError) {
            try await store.create(override)
            writeFailure = nil
        } catch {
            writeFailure = error.description
            throw .store(error.description)
        }
        shared.withLock { book in
            book.merge(override)
            book.forgetEnded(keeping: Self.maxEnded, at: now)
        }
        revision += 1
        changed(.created(override))
        return override
    }

    /// Adds a transition to an override.
    public func append(
        _ kind: Override.Transition.Kind, to id: String, by author: String, reason: String, key: String? = nil,
        at now: Date = Date()
    ) async throws(OverrideError) -> Override {
        await beginWriting()
        defer { isWriting = false }
        let store = try writableStore()
        guard let override = book[id] else { throw .unknown(id) }
        if let key, let known = override.transitions.first(where: { $0.key == key && $0.by == author }) {
            guard known.type == kind else { throw .invalid([Self.usedKey]) }
            return override
        }
        guard reason.count <= 300, reason.utf8.count <= 1_200, reason.isPlain else {
            throw .invalid([FieldProblem("/reason", "should be one line of at most 300 characters, 1200 bytes")])
        }
        // Each is younger than the one before: the order by time is the order in which they were made.
        let time = max(now.rounded, override.transitions.map { $0.at + 0.001 }.max() ?? now.rounded)
        let phase = OverrideTimeline(override).state(at: time).phase
        let fits =
            switch kind {
            case .pause: phase == .ramping
            case .resume: phase == .paused
            case .revert: phase != .ended
            }
        guard fits, kind == .revert || override.transitions.count < 1_000 else {
            throw .phase("\(id) is \(phase.rawValue), which \(kind.rawValue) doesn't fit")
        }
        let number = override.transitions.count + 1
        let transition = Override.Transition(
            id: "\(number)-\(Self.makeID())", at: time, by: author, type: kind, reason: reason, key: key)
        do throws(OverrideStoreError) {
            try await store.append(transition, to: id)
            writeFailure = nil
        } catch {
            writeFailure = error.description
            guard kind == .revert else { throw .store(error.description) }
            // A way back must not wait for a disk. It is stored as soon as the disk can be written.
            unstored[id] = transition
            apply(transition, to: id)
            throw .store("\(id) is ended, but that could not be stored yet: \(error.description)")
        }
        return apply(transition, to: id) ?? override
    }

    @discardableResult
    private func apply(_ transition: Override.Transition, to id: String) -> Override? {
        shared.withLock { $0.add(transition, to: id) }
        revision += 1
        let next = book[id]
        if let next { changed(.appended(transition, to: next)) }
        return next
    }

    /// Stores the reverts that could not be stored before.
    public func storeReverts() async {
        guard !unstored.isEmpty, let store, loadFailure == nil else { return }
        await beginWriting()
        defer { isWriting = false }
        for (id, transition) in unstored {
            do throws(OverrideStoreError) {
                try await store.append(transition, to: id)
                unstored[id] = nil
                writeFailure = nil
            } catch {
                writeFailure = error.description
                return
            }
        }
    }

    /// The override that an author created with a key in the last day; nil if there is none.
    public func created(
        with key: String?, by author: String, _ spec: OverrideSpec, at now: Date = Date()
    ) throws(OverrideError) -> Override? {
        guard let key,
            let known = book.all.last(where: {
                $0.key == key && $0.createdBy == author && now.timeIntervalSince($0.createdAt) < 86_400
            })
        else { return nil }
        guard known.spec == spec else { throw .invalid([Self.usedKey]) }
        return known
    }

    private static let usedKey = FieldProblem("", "the Idempotency-Key was used for another body")

    /// Waits until no other write is under way.
    private func beginWriting() async {
        while isWriting { try? await Task.sleep(for: .milliseconds(1)) }
        isWriting = true
    }

    private func writableStore() throws(OverrideError) -> any OverrideStore {
        guard let store else { throw .noStore("overrides are off: set `state`, or `overrides: {store: memory}`") }
        if let loadFailure { throw .store(loadFailure) }
        return store
    }

    private func checkRoom(for spec: OverrideSpec, at now: Date) throws(OverrideError) {
        let current = book.current(at: now)
        guard current.count < Self.maxCurrent else {
            throw .full("there are \(current.count) overrides that are not ended, the most that can be")
        }
        let ofService = current.count { $0.spec.service == spec.service }
        guard ofService < OverrideBook.maxDepth else {
            throw .full(
                "\(spec.service) has \(ofService) overrides that are not ended, the most that can be; end one first")
        }
    }

    /// Four characters of Crockford's base 32.
    private static func makeID() -> String {
        let digits = Array("0123456789abcdefghjkmnpqrstvwxyz")
        return String((0..<4).map { _ in digits[Int.random(in: 0..<32)] })
    }
}

extension Date {
    /// The time in whole milliseconds, as stores keep it; never in the future.
    fileprivate var rounded: Date {
        Date(timeIntervalSince1970: (timeIntervalSince1970 * 1_000).rounded(.down) / 1_000)
    }
}
