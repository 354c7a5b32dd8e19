import Synchronization
public import XDS

/// One of the four forms of xDS: SotW or delta, over ADS or separate streams.
public struct Form: Hashable, Sendable, CustomStringConvertible {
    /// SotW or delta.
    public let variant: Variant
    /// Whether it uses ADS instead of a stream for each type.
    public let isAggregated: Bool

    /// All four forms.
    public static let all = [Variant.sotw, .delta].flatMap { variant in
        [true, false].map { Form(variant: variant, isAggregated: $0) }
    }

    /// The name in tables.
    public var description: String { "\(variant == .sotw ? "SotW" : "delta"), \(isAggregated ? "ADS" : "separate")" }
}

/// The subjects of the rules.
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

/// A rule, and a check that a server keeps it.
public struct Case: Sendable {
    /// The subject of the rule.
    public let feature: Feature
    /// A short unique name.
    public let name: String
    /// The rule, in one sentence.
    public let rule: String
    /// The source of the rule.
    public let source: String
    /// The forms that the rule applies to.
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

/// The result of a case in one form.
public enum Verdict: Hashable, Sendable {
    /// The server kept the rule.
    case passed
    /// The server broke the rule, or something else failed.
    case failed(String)
    /// The case could not be run, for this reason.
    case skipped(String)
}

/// The server breaks a rule.
struct Violation: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// The server under test can't be made to do what a case needs.
struct NotTriable: Error {
    let reason: String
}

/// The server under test.
public protocol Subject: Sendable {
    /// An IP address and a port.
    var address: String { get }

    /// Makes the server serve exactly these services: for each name an Envoy cluster with endpoints such as
    /// `10.0.0.1:80`.
    ///
    /// Returns as soon as the server has been notified.
    func publish(_ services: [String: [String]]) async throws

    /// Makes the server serve the same Envoy clusters with other settings, or with the original ones; false if it
    /// can't.
    func changeClusters(_ isOther: Bool) async throws -> Bool
}

/// One run of a case in one form on one server.
final class Trial: Sendable {
    let form: Form
    let mesh: TestMesh

    private let clients = Mutex<[Probe]>([])

    init(_ form: Form, _ mesh: TestMesh) {
        self.form = form
        self.mesh = mesh
    }

    /// Creates a client without a stream.
    func client(_ kind: Probe.Kind = .envoy) throws -> Probe {
        let client = try Probe(mesh.subject.address, form, kind)
        clients.withLock { $0.append(client) }
        return client
    }

    func close() async { for client in clients.withLock({ $0 }) { await client.close() } }
}

func expect(_ condition: Bool, _ rule: @autoclosure () -> String) throws(Violation) {
    guard condition else { throw Violation(rule()) }
}
