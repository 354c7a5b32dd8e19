import Intent
import Model
import Probes

/// Asks a gateway whether it leads to somebody under an SNI, or an authority.
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
    /// Whether the slot has a pod.
    let hasPod: Bool

    /// Asks a gateway several times: for a slot with a pod, the first answer that isn't one counts; otherwise, the first
    /// that is.
    func run(at gateway: SocketAddress) async -> SlotTable.Answer {
        var last = SlotTable.Answer.unreachable("gateway \(gateway) was not asked")
        for _ in 0..<Self.times {
            last = await answer(of: gateway)
            if case .unreachable = last { return last }
            if (last == .answered) != hasPod { return last }
        }
        return last
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
            case .refused(let reason): .unreachable("gateway \(gateway) can't be reached: \(reason.prefix(200))")
            case .silent: .unreachable("gateway \(gateway) doesn't answer for SNI \(sni)")
            }
        case .authority(let authority, let tunnel):
            let probe = TunnelProbe(
                host: host, port: port, authority: authority, certificate: tunnel.certificate, key: tunnel.key,
                ca: tunnel.ca)
            return switch await probe.run() {
            case .accepted: .answered
            case .refused(let status): .reset("gateway \(gateway) answers \(status) to CONNECT \(authority)")
            case .failed(let reason): .unreachable("gateway \(gateway) can't be asked: \(reason.prefix(200))")
            case .silent: .unreachable("gateway \(gateway) doesn't answer CONNECT \(authority)")
            }
        }
    }
}
