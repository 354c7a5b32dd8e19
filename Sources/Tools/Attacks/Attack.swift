/// An attack on a server by one client, peer, source or raw TCP sender, with the limits that the server must keep.
public protocol Attack: Sendable {
    /// The name on the command line.
    var name: String { get }
    /// What the attack does, in one line.
    var summary: String { get }
    /// What must be observed, in one line.
    var bar: String { get }

    /// Starts a server, attacks it, and measures.
    func play(on stage: AttackStage) async throws -> [Figure]
}

/// The size of an attack.
public struct AttackScale: Sendable {
    /// Whether each attack takes only a few seconds, as in the tests.
    public var isShort: Bool
    /// How long floods last, in seconds; nil for the attack's default.
    public var seconds: Int?

    /// Creates a scale.
    public init(isShort: Bool, seconds: Int? = nil) {
        self.isShort = isShort
        self.seconds = seconds
    }

    /// After this time a change counts as missed, and a new client gives up; longer in tests, where the machine may be
    /// busy.
    var patience: Duration { .seconds(isShort ? 30 : 5) }

    /// How long a flood lasts: `seconds` if set, otherwise the default for this scale.
    func duration(_ full: Int, short: Int) -> Duration { .seconds(seconds ?? (isShort ? short : full)) }

    func count(_ full: Int, short: Int) -> Int { isShort ? short : full }
}

/// A measured value, compared with its limit.
public struct Figure: Codable, Hashable, Sendable {
    /// What was measured.
    public var name: String
    /// The value with its unit.
    public var text: String
    /// Nil if there is no number, for example because nothing arrived.
    public var value: Double?
    /// Whether the limit was kept; nil if the figure has no limit.
    public var isHeld: Bool?
    /// Whether the figure is a number of seconds or milliseconds, which is larger on a busy machine.
    public var isDelay: Bool { value != nil && [" s", " ms"].contains { text.hasSuffix($0) } }

    /// Creates a figure with a number and perhaps a limit.
    ///
    /// A limit is missed if there is no number.
    public init(_ name: String, _ value: Double?, _ unit: String, most limit: Double? = nil) {
        self.name = name
        self.value = value.map { ($0 * 1_000).rounded() / 1_000 }
        isHeld = limit.map { limit in value.map { $0 <= limit } ?? false }
        guard let value else {
            text = "none"
            return
        }
        let places = value < 1 ? 1_000.0 : value < 10 ? 100.0 : value < 100 ? 10.0 : 1.0
        let rounded = (value * places).rounded() / places
        let number = rounded == rounded.rounded() ? "\(Int(rounded))" : "\(rounded)"
        text = unit.isEmpty ? number : "\(number) \(unit)"
    }

    /// Creates a figure with a statement that must be true.
    public init(_ name: String, isTrue: Bool, otherwise reason: String = "no") {
        self.name = name
        text = isTrue ? "yes" : reason
        isHeld = isTrue
    }

    /// Creates a figure with a text and no limit.
    public init(_ name: String, _ text: String) {
        self.name = name
        self.text = text
    }
}

/// The result of an attack.
public struct AttackResult: Codable, Sendable {
    /// The attack's name.
    public var name: String
    /// What the attack does.
    public var summary: String
    /// What must be observed.
    public var bar: String
    /// Everything that was measured.
    public var figures: [Figure]
    /// How long it took, including start and stop of the server.
    public var seconds: Double

    /// Whether every figure kept its limit.
    public var isHeld: Bool { figures.allSatisfy { $0.isHeld != false } }

    /// Whether every figure kept its limit except for finite delays.
    public var isHeldButForDelays: Bool { missed.allSatisfy(\.isDelay) }

    /// The figures that missed their limits.
    public var missed: [Figure] { figures.filter { $0.isHeld == false } }

    /// The figures as text; those that missed their limits are marked.
    public var text: String {
        figures.map { "\($0.name) \($0.text)\($0.isHeld == false ? " (!)" : "")" }.joined(separator: ", ")
    }
}
