import Synchronization
public import XDS

/// One way to talk to a server.
public struct Form: Hashable, Sendable, CustomStringConvertible {
    /// SotW or delta.
    public let variant: Variant
    /// Over ADS, or with a stream for each type.
    public let isAggregated: Bool

    /// All of them.
    public static let all = [Variant.sotw, .delta].flatMap { variant in
        [true, false].map { Form(variant: variant, isAggregated: $0) }
    }

    /// For tables.
    public var description: String { "\(variant == .sotw ? "SotW" : "delta"), \(isAggregated ? "ADS" : "separate")" }
}

/// What rules are about.
public enum Feature: String, Sendable, CaseIterable {
    case answers = "Nonces, ACKs and NACKs"
    case subscriptions = "Subscriptions, names that don't exist"
    case wildcards = "Wildcards"
    case content = "What a response carries, versions, removal"
    case resumption = "Resumption after a reconnect or a restart"
    case order = "Order, warming"
    case badRequests = "Unknown types, broken requests"
    case grpc = "gRPC clients"
}

/// A rule, and how to see that a server keeps it.
public struct Case: Sendable {
    /// What it is about.
    public let feature: Feature
    /// Unique, short.
    public let name: String
    /// The rule, in a sentence.
    public let rule: String
    /// Where the rule comes from.
    public let source: String
    /// The forms that the rule is about.
    public let forms: Set<Form>
    let check: @Sendable (Trial) async throws -> Void

    init(
        _ feature: Feature, _ name: String, _ rule: String, source: String,
        only applies: (Form) -> Bool = { _ in true },
        check: @escaping @Sendable (Trial) async throws -> Void
    ) {
        self.feature = feature
        self.name = name
        self.rule = rule
        self.source = source
        forms = Set(Form.all.filter(applies))
        self.check = check
    }
}

/// What became of a case in one form.
public enum Verdict: Hashable, Sendable {
    /// The server kept the rule.
    case passed
    /// It didn't, or something else went wrong.
    case failed(String)
    /// Could not be tried, for this reason.
    case skipped(String)
}

/// The server breaks a rule.
struct Violation: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// The server under test can't be brought to do what a case needs.
struct NotTriable: Error {
    let reason: String
}

/// The server under test.
public protocol Subject: Sendable {
    /// An IP address and a port.
    var address: String { get }

    /// Has it serve these services, and nothing else: under each name a cluster with these endpoints, `10.0.0.1:80`.
    ///
    /// Returns as soon as it has been told.
    func publish(_ services: [String: [String]]) async throws

    /// Has it serve the same clusters with other settings, and back; false where it can't.
    func changeClusters(_ isOther: Bool) async throws -> Bool
}

/// A case in one form, under way on one server.
final class Trial: Sendable {
    let form: Form
    let mesh: TestMesh

    private let clients = Mutex<[Probe]>([])

    init(_ form: Form, _ mesh: TestMesh) {
        self.form = form
        self.mesh = mesh
    }

    /// A client with no stream yet.
    func client(_ kind: Probe.Kind = .envoy) throws -> Probe {
        let client = try Probe(mesh.subject.address, form, kind)
        clients.withLock { $0.append(client) }
        return client
    }

    /// Ends all clients.
    func close() async { for client in clients.withLock({ $0 }) { await client.close() } }
}

func expect(_ condition: Bool, _ rule: @autoclosure () -> String) throws(Violation) {
    guard condition else { throw Violation(rule()) }
}
