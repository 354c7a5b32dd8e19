import AdminAPI
import Model
import Probes

/// What `ballast check` asks the gateways of a publication: a ClientHello for each SNI that has a pod.
struct PublicationChecks {
    /// How many SNIs are asked for at once.
    private static let width = 16

    let page: PublicationPage

    func run() async -> [Finding] {
        guard !page.tunnels else { return page.slots.compactMap(Self.asked) }
        var questions: [(slot: PublicationPage.Slot, gateway: String)] = []
        for slot in page.slots where slot.pod != nil {
            for gateway in page.gateways { questions.append((slot, gateway)) }
        }
        var findings: [Finding] = []
        await withTaskGroup { group in
            var rest = questions[...]
            for question in rest.prefix(Self.width) { group.addTask { await Self.ask(question) } }
            rest = rest.dropFirst(Self.width)
            for await finding in group {
                findings.append(finding)
                if let question = rest.popFirst() { group.addTask { await Self.ask(question) } }
            }
        }
        return findings.sorted { $0.says < $1.says }
    }

    /// What the server found itself: only it has the certificate for tunnels.
    private static func asked(_ slot: PublicationPage.Slot) -> Finding? {
        guard let pod = slot.pod else { return nil }
        let what = "host \(slot.sni), for pod \(pod)"
        if slot.phase == "announced" {
            return Finding(place: "gateway", state: .ok, code: .sniLeads, says: "\(what): answered to Ballast")
        }
        return Finding(
            place: "gateway", state: .warn, code: .sniReset,
            says: "\(what): \(slot.phase), \(slot.reason ?? "not asked yet")")
    }

    private static func ask(_ question: (slot: PublicationPage.Slot, gateway: String)) async -> Finding {
        let (slot, gateway) = question
        let what = "SNI \(slot.sni) at \(gateway), for pod \(slot.pod ?? "-")"
        let add = { (state: CheckState, code: CheckCode, says: String) in
            Finding(place: "gateway", state: state, code: code, says: "\(what): \(says)")
        }
        guard let address = Model.SocketAddress(gateway) else {
            return add(.unknown, .gatewayUnreachable, "this is no address")
        }
        let probe = TLSProbe(
            host: "\(address.host)", port: Int(address.port), sni: slot.sni, protocols: ["istio"], to: .serverHello)
        // A pod that is not announced yet gets no traffic, so that a missing answer harms nobody.
        let isAnnounced = slot.phase == "announced"
        switch await probe.run() {
        case .answered, .connected: return add(.ok, .sniLeads, "is answered")
        case .reset: return add(isAnnounced ? .fail : .warn, .sniReset, "the connection is reset")
        case .refused(let reason): return add(.fail, .gatewayUnreachable, reason)
        case .silent: return add(.unknown, .podSilent, "no answer within \(TLSProbe.patience / .seconds(1)) s")
        }
    }
}
