/// Something that one client, one peer, one source or a bare TCP sender does to a server, and what the server must stay
/// within meanwhile.
public protocol Attack: Sendable {
    /// As the command line names it.
    var name: String { get }
    /// What it does, in one line.
    var summary: String { get }
    /// What must be seen, in one line.
    var bar: String { get }

    /// Starts a server of its own, attacks it, and measures.
    func play(on stage: AttackStage) async throws -> [Figure]
}

/// How large an attack is.
public struct AttackScale: Sendable {
    /// A few seconds for each attack, as the tests play them.
    public var isShort: Bool
    /// How long floods last; nil for the attack's own number.
    public var seconds: Int?

    /// A scale.
    public init(isShort: Bool, seconds: Int? = nil) {
        self.isShort = isShort
        self.seconds = seconds
    }

    /// After this time, a change is missed, and a new client gives up; longer for tests, where a machine may be busy.
    var patience: Duration { .seconds(isShort ? 30 : 5) }

    /// How long a flood lasts, which is this long unless something else was asked for.
    func duration(_ full: Int, short: Int) -> Duration { .seconds(seconds ?? (isShort ? short : full)) }

    /// How many of something.
    func count(_ full: Int, short: Int) -> Int { isShort ? short : full }
}

/// Something that was measured, with its part of the bar.
public struct Figure: Codable, Hashable, Sendable {
    /// What.
    public var name: String
    /// With its unit.
    public var text: String
    /// Nil where there is no number, as when nothing came.
    public var value: Double?
    /// Whether the bar was held; nil where the figure only informs.
    public var isHeld: Bool?
    /// Whether it is a number of seconds or milliseconds, which a busy machine makes longer.
    public var isDelay: Bool { value != nil && [" s", " ms"].contains { text.hasSuffix($0) } }

    /// A number that may not be greater than its limit; without a number the limit is missed.
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

    /// A statement that has to be true.
    public init(_ name: String, isTrue: Bool, otherwise reason: String = "no") {
        self.name = name
        text = isTrue ? "yes" : reason
        isHeld = isTrue
    }

    /// A statement that only informs.
    public init(_ name: String, _ text: String) {
        self.name = name
        self.text = text
    }
}

/// What became of an attack.
public struct AttackResult: Codable, Sendable {
    /// The attack's name.
    public var name: String
    /// What it does.
    public var summary: String
    /// What must be seen.
    public var bar: String
    /// All that was measured.
    public var figures: [Figure]
    /// How long it took, with start and end of the server.
    public var seconds: Double

    /// Whether no figure missed its bar.
    public var isHeld: Bool { figures.allSatisfy { $0.isHeld != false } }

    /// Whether no figure missed its bar but delays that have an end.
    public var isHeldButForDelays: Bool { missed.allSatisfy(\.isDelay) }

    /// The figures that missed their bar.
    public var missed: [Figure] { figures.filter { $0.isHeld == false } }

    /// The figures, for people; those that missed the bar are marked.
    public var text: String {
        figures.map { "\($0.name) \($0.text)\($0.isHeld == false ? " (!)" : "")" }.joined(separator: ", ")
    }
}
