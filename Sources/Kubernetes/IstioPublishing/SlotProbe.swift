import Intent
import Model
import Probes

/// Asks gateways whether they lead to somebody under an SNI, or an authority.
struct SlotProbe: Sendable {
    /// How a gateway selects a pod.
    enum Question: Sendable {
        /// By the SNI of a TLS connection.
        case sni(DNSName)
        /// By the authority of a CONNECT request.
        case authority(String, IstioPublication.Tunnel)
    }

    /// How often in a row a gateway has to answer: several replicas may stand behind one address.
    private static let times = 3

    let question: Question
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
            switch await answer(of: gateway) {
            case .answered: if !hasPod { return .answered }
            case .reset(let reason): if hasPod { return .reset(reason) }
            case .unreachable(let reason): return .unreachable(reason)
            }
        }
        return hasPod ? .answered : .reset("gateway \(gateway) leads nowhere")
    }

    private func answer(of gateway: SocketAddress) async -> SlotTable.Answer {
        let (host, port) = ("\(gateway.host)", Int(gateway.port))
        switch question {
        case .sni(let sni):
            // Istio's chains take its own protocols only.
            let probe = TLSProbe(host: host, port: port, sni: sni.description, protocols: ["istio"], to: .serverHello)
            return switch await probe.run() {
            case .answered, .connected: .answered
            case .reset: .reset("gateway \(gateway) closes connections with SNI \(sni)")
            case .refused(let reason): .unreachable("gateway \(gateway) can't be reached: \(reason)")
            case .silent: .unreachable("gateway \(gateway) doesn't answer for SNI \(sni)")
            }
        case .authority(let authority, let tunnel):
            let probe = TunnelProbe(
                host: host, port: port, authority: authority, certificate: tunnel.certificate, key: tunnel.key,
                ca: tunnel.ca)
            return switch await probe.run() {
            case .accepted: .answered
            case .refused(let status): .reset("gateway \(gateway) answers \(status) to CONNECT \(authority)")
            case .failed(let reason): .unreachable("gateway \(gateway) can't be asked: \(reason)")
            case .silent: .unreachable("gateway \(gateway) doesn't answer CONNECT \(authority)")
            }
        }
    }
}
