import Balancing
public import Foundation
public import Overrides

/// The answer of `GET /v1/overrides`.
public struct OverridesPage: Codable, Hashable, Sendable {
    /// Where overrides are kept: `file`, `memory` or `off`.
    public var store: String
    /// The overrides, newest first: those that are not ended, then the latest ended ones.
    public var overrides: [OverridePage]
    /// The number of ended overrides left out; nil if all are listed.
    public var omitted: Int?

    /// Creates a page.
    public init(store: String, overrides: [OverridePage], omitted: Int? = nil) {
        self.store = store
        self.overrides = overrides
        self.omitted = omitted
    }
}

/// One override, and its state now.
public struct OverridePage: Codable, Hashable, Sendable {
    /// Something that keeps an override from its full effect, or from its next step.
    public struct Condition: Codable, Hashable, Sendable {
        /// The kind of condition.
        public enum Kind: String, Codable, Sendable, CaseIterable {
            /// A limit holds its shares or drains back: the ceiling, or that some pod must take traffic.
            case limited = "Limited"
            /// No client reports its load to the service, so abort conditions can't be judged.
            case noData = "NoData"
            /// A newer override's shares count instead.
            case superseded = "Superseded"
        }

        /// The kind of condition.
        public var type: Kind
        /// A sentence about the cause.
        public var says: String

        /// Creates a condition.
        public init(type: Kind, says: String) {
            self.type = type
            self.says = says
        }
    }

    /// The override with its transitions.
    public var override: Override
    /// The phase.
    public var phase: Override.Phase
    /// How much of its full effect it has, 0 to 1.
    public var level: Double
    /// The last step of the ramp that took effect; nil without a ramp.
    public var step: Int?
    /// When phase or level change next by themselves; nil for never.
    public var next: Date?
    /// When it ends or ended, or began to restore; nil if it is permanent.
    public var end: Date?
    /// What keeps it from its full effect, or from its next step; empty for nothing.
    public var conditions: [Condition]

    /// Creates a page with the state at a time.
    public init(_ override: Override, at now: Date, conditions: [Condition] = []) {
        let state = OverrideTimeline(override).state(at: now)
        self.override = override
        phase = state.phase
        level = state.level.value
        step = state.step
        next = state.next
        end = state.end
        self.conditions = conditions
    }
}

/// The body of `POST /v1/overrides/ID/transitions`.
public struct TransitionRequest: Codable, Hashable, Sendable {
    /// The kind of transition.
    public var type: Override.Transition.Kind
    /// Why; nil if nobody said.
    public var reason: String?

    /// Creates a request.
    public init(type: Override.Transition.Kind, reason: String? = nil) {
        self.type = type
        self.reason = reason
    }
}
