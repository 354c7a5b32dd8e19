public import Foundation

/// A spec in force, with everything that happened to it.
///
/// The spec never changes, and transitions are only added. So what two replicas know is merged by a union.
public struct Override: Codable, Hashable, Sendable, Identifiable {
    /// A change of an override after its creation.
    public struct Transition: Codable, Hashable, Sendable, Identifiable {
        /// The kind of a transition.
        public enum Kind: String, Codable, Hashable, Sendable, CaseIterable {
            /// Stops the ramp at its current step.
            case pause = "Pause"
            /// Continues the ramp.
            case resume = "Resume"
            /// Ends the override; a second time, its restore.
            case revert = "Revert"
        }

        /// The name of the transition, unique within the override.
        public var id: String
        /// When it takes effect.
        public var at: Date
        /// Who made it.
        public var by: String
        /// The kind.
        public var type: Kind
        /// Why; empty if nobody said.
        public var reason: String
        /// The key by which the request can be repeated; nil for none.
        public var key: String?

        /// Creates a transition.
        public init(id: String, at: Date, by: String, type: Kind, reason: String, key: String? = nil) {
            self.key = key
            self.id = id
            self.at = at
            self.by = by
            self.type = type
            self.reason = reason
        }
    }

    /// The phase at one moment.
    public enum Phase: String, Codable, Hashable, Sendable, CaseIterable {
        /// Starts later.
        case scheduled = "Scheduled"
        /// Moves in steps to its full effect.
        case ramping = "Ramping"
        /// Stays at a step until it is resumed.
        case paused = "Paused"
        /// Has its full effect.
        case active = "Active"
        /// Moves in steps back.
        case restoring = "Restoring"
        /// Has no effect any more.
        case ended = "Ended"
    }

    /// Its name: four to eight characters of Crockford's base 32.
    public var id: String
    /// What is wanted.
    @Boxed public var spec: OverrideSpec
    /// When it was created.
    public var createdAt: Date
    /// Who created it.
    public var createdBy: String
    /// What happened since, in no particular order.
    public var transitions: [Transition]
    /// The key by which the request can be repeated; nil for none.
    public var key: String?

    /// When it starts to have an effect.
    public var start: Date { max(spec.start ?? createdAt, createdAt) }

    /// The latest transition; nil without any.
    public var lastTransition: Transition? { transitions.max { ($0.at, $0.id) < ($1.at, $1.id) } }

    /// The times that an override can have: the years 1970 to 2970.
    static let times = Date(timeIntervalSince1970: 0)...Date(timeIntervalSince1970: 31_556_952_000)

    /// Whether all of it can be used, without transitions.
    var isValid: Bool {
        let dates = [createdAt, spec.start ?? createdAt, spec.until ?? createdAt]
        return spec.problems.isEmpty && dates.allSatisfy(Self.times.contains)
    }

    /// Creates an override.
    public init(
        id: String, spec: OverrideSpec, createdAt: Date, createdBy: String, transitions: [Transition] = [],
        key: String? = nil
    ) {
        self.key = key
        self.id = id
        self.spec = spec
        self.createdAt = createdAt
        self.createdBy = createdBy
        self.transitions = transitions
    }
}
