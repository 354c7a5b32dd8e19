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
    /// When it ends or ended; nil if it is permanent.
    public var end: Date?

    /// Creates a page with the state at a time.
    public init(_ override: Override, at now: Date) {
        let state = OverrideTimeline(override).state(at: now)
        self.override = override
        phase = state.phase
        level = state.level.value
        step = state.step
        next = state.next
        end = state.end
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

/// The answer of `POST /v1/plans`: what an override would change.
public struct PlanPage: Codable, Hashable, Sendable {
    /// One cluster's part of the service.
    public struct Cluster: Codable, Hashable, Sendable {
        /// The cluster's name.
        public var cluster: String
        /// The share now, in percent.
        public var before: Double
        /// The share with the full effect, in percent.
        public var after: Double
        /// How the share comes about then.
        public var reason: String
        /// The pods, ordered by name; at most 1,000.
        public var pods: [Pod]
        /// The number of pods left out; nil if all are listed.
        public var omitted: Int?

        /// Creates a cluster.
        public init(
            cluster: String, before: Double, after: Double, reason: String, pods: [Pod], omitted: Int? = nil
        ) {
            self.cluster = cluster
            self.before = before
            self.after = after
            self.reason = reason
            self.pods = pods
            self.omitted = omitted
        }
    }

    /// One pod's part of the service.
    public struct Pod: Codable, Hashable, Sendable {
        /// The pod's name.
        public var pod: String
        /// The share now, in percent.
        public var before: Double
        /// The share with the full effect, in percent.
        public var after: Double
        /// `after / before`; nil for a pod that gets nothing now.
        public var times: Double?

        /// Creates a pod.
        public init(pod: String, before: Double, after: Double, times: Double?) {
            self.pod = pod
            self.before = before
            self.after = after
            self.times = times
        }
    }

    /// What to know before the override is created.
    public struct Warning: Codable, Hashable, Sendable {
        /// The kind, such as `hot`.
        public var code: String
        /// The warning in a sentence.
        public var says: String

        /// Creates a warning.
        public init(code: String, says: String) {
            self.code = code
            self.says = says
        }
    }

    /// The spec.
    public var spec: OverrideSpec
    /// The service that is shown; for a spec of all services, the first by name.
    public var service: String
    /// The cluster whose clients the shares are for.
    public var view: String
    /// The clusters, ordered by name.
    public var clusters: [Cluster]
    /// The shares in percent at each step of the ramp, by cluster; one entry without a ramp.
    public var steps: [[String: Double]]
    /// What to know before the override is created.
    public var warnings: [Warning]
    /// A hash of the spec, the service's overrides and the shares: `If-Match` of `POST /v1/overrides`.
    public var etag: String

    /// Creates a page.
    public init(
        spec: OverrideSpec, service: String, view: String, clusters: [Cluster], steps: [[String: Double]],
        warnings: [Warning],
        etag: String
    ) {
        self.spec = spec
        self.service = service
        self.view = view
        self.clusters = clusters
        self.steps = steps
        self.warnings = warnings
        self.etag = etag
    }
}

/// An error of a change (RFC 9457), sent as `application/problem+json`.
public struct ProblemPage: Codable, Hashable, Sendable, Error {
    /// The kind of error, such as `/problems/outdated`.
    public var type: String
    /// The HTTP status.
    public var status: Int
    /// The error in a sentence.
    public var detail: String
    /// The fields that can't be used; nil for other errors.
    public var fields: [FieldProblem]?
    /// The plan of the same spec now, if it differs from the one that the request was based on.
    public var plan: PlanPage?

    /// Creates an error.
    public init(
        type: String, status: Int, detail: String, fields: [FieldProblem]? = nil, plan: PlanPage? = nil
    ) {
        self.type = type
        self.status = status
        self.detail = detail
        self.fields = fields
        self.plan = plan
    }
}
