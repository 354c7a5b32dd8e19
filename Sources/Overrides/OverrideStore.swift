/// Keeps overrides over restarts.
public protocol OverrideStore: Sendable {
    /// All overrides, and warnings about what could not be read.
    func load() async throws(OverrideStoreError) -> (overrides: [Override], warnings: [String])

    /// Whether an override of that name is kept, known to `load`'s caller or not.
    func isTaken(_ id: String) async -> Bool

    /// Keeps a new override; it is safe once this returns.
    func create(_ override: Override) async throws(OverrideStoreError)

    /// Keeps a transition of a known override; it is safe once this returns.
    func append(_ transition: Override.Transition, to id: String) async throws(OverrideStoreError)
}

/// A store that can't be read or written.
public struct OverrideStoreError: Error, Hashable, CustomStringConvertible {
    /// What is wrong with which file, and what to do.
    public var description: String

    /// Creates an error.
    public init(_ description: String) { self.description = description }
}

/// Keeps nothing: after a restart, all overrides are gone.
public struct MemoryStore: OverrideStore {
    /// Creates a store.
    public init() {}
    /// Nothing.
    public func load() async throws(OverrideStoreError) -> (overrides: [Override], warnings: [String]) { ([], []) }
    /// Never.
    public func isTaken(_ id: String) async -> Bool { false }
    /// Does nothing.
    public func create(_ override: Override) async throws(OverrideStoreError) {}
    /// Does nothing.
    public func append(_ transition: Override.Transition, to id: String) async throws(OverrideStoreError) {}
}
