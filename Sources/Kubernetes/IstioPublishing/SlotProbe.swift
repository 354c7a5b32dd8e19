import Model
import TLSProbe

/// Asks gateways whether they lead to somebody under an SNI.
struct SlotProbe: Sendable {
    /// How often in a row a gateway has to answer: several replicas may stand behind one address.
    private static let times = 3

    let sni: DNSName
    let gateways: [SocketAddress]
    /// Whether the slot has a pod.
    let hasPod: Bool

    func run() async -> SlotTable.Answer {
        guard !gateways.isEmpty else { return .unreachable("no address of a gateway is known") }
        var answers: [SlotTable.Answer] = []
        for gateway in gateways { answers.append(await ask(gateway)) }
        // A gateway that is away doesn't count if another one is there: clients can't use it either.
        let isReset = { (answer: SlotTable.Answer) in if case .reset = answer { true } else { false } }
        let reset = answers.first(where: isReset)
        let answered = answers.first { $0 == .answered }
        return (hasPod ? reset ?? answered : answered ?? reset) ?? answers[0]
    }

    private func ask(_ gateway: SocketAddress) async -> SlotTable.Answer {
        for _ in 0..<Self.times {
            // Istio's chains take its own protocols only.
            let probe = TLSProbe(
                host: "\(gateway.host)", port: Int(gateway.port), sni: sni.description, protocols: ["istio"],
                to: .serverHello)
            switch await probe.run() {
            case .answered, .connected: if !hasPod { return .answered }
            case .reset:
                if hasPod { return .reset("gateway \(gateway) closes connections with SNI \(sni)") }
            case .refused(let reason): return .unreachable("gateway \(gateway) can't be reached: \(reason)")
            case .silent: return .unreachable("gateway \(gateway) doesn't answer for SNI \(sni)")
            }
        }
        return hasPod ? .answered : .reset("gateway \(gateway) closes connections with SNI \(sni)")
    }
}
