/// All attacks, in the order in which they run.
public enum AttackSuite {
    /// Each attack once.
    public static let all: [any Attack] =
        [DescriptorExhaustion(isGuarded: true), DescriptorExhaustion(isGuarded: false)]
        + [AdminRequests(), AdminHalfRequests(), SilentConnections(isTLS: false), SilentConnections(isTLS: true)]
        + [RapidReset(isTLS: false), RapidReset(isTLS: true)]
        + HeaderFlood.Kind.allCases.map { HeaderFlood(kind: $0) }
        + FrameFlood.Kind.allCases.map { FrameFlood(kind: $0) }
        + [OpenStreams(), HandshakeFlood(), CompressedMessages()]
        + LoadReportFlood.Kind.allCases.map { LoadReportFlood(kind: $0) }
        + [AllLimits(), NodeFlood(), Resubscription()]
        + HostileAPIServer.Kind.allCases.map { APIServerAttack(kind: $0) }
        + PeerAttack.Kind.allCases.map { PeerAttack(kind: $0) }
        + YAMLAttack.Kind.allCases.map { YAMLAttack(kind: $0) }

    /// Runs one attack; an error counts as a missed limit.
    public static func play(_ attack: any Attack, on stage: AttackStage) async -> AttackResult {
        let start = ContinuousClock.now
        var figures: [Figure]
        do {
            figures = try await attack.play(on: stage)
        } catch {
            figures = [Figure("played to its end", isTrue: false, otherwise: "\(error)")]
        }
        return AttackResult(
            name: attack.name, summary: attack.summary, bar: attack.bar, figures: figures,
            seconds: (ContinuousClock.now - start) / .seconds(1))
    }
}
