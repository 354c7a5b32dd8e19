import EnvoyAPI
import Model

/// A Ballast that exports services or addresses that it must not export.
struct PeerAttack: Attack {
    /// What it exports.
    enum Kind: String, CaseIterable {
        case services = "peer-endless-services"
        case gateways = "peer-gateways"
        case takeover = "peer-takeover"
        case otherCluster = "peer-other-cluster"
        case addresses = "peer-addresses"
    }

    var kind: Kind

    var name: String { kind.rawValue }
    var summary: String {
        switch kind {
        case .services: "another Ballast exports new services without end"
        case .gateways: "another Ballast tells 2,000 gateways"
        case .takeover: "another Ballast exports a service of ours that nobody asked it for, with weight 1,000,000"
        case .otherCluster: "another Ballast says that it were a third cluster's"
        case .addresses:
            "another Ballast exports pods at 127.0.0.1, 169.254.169.254, 0.0.0.0, 224.0.0.1 and 255.255.255.255"
        }
    }
    var bar: String {
        switch kind {
        case .services: "RSS < 300 MB, stale within 30 s"
        case .gateways: "other services' changes within 1 s, ends within 10 s of SIGTERM"
        case .takeover: "the service's own pods have all of its traffic"
        case .otherCluster: "nothing of it is served, and the source is stale"
        case .addresses: "none of them is served"
        }
    }

    /// Addresses that can't belong to another cluster's pods.
    private static let strange = ["127.0.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1", "255.255.255.255"]
    private static let bank = ["bank": ["10.2.0.1", "10.2.0.2"]]

    func play(on stage: AttackStage) async throws -> [Figure] {
        let place = try stage.makeDirectory(name)
        let peer = try await HostilePeer(certificates: "\(place)/certs", export)
        do {
            let figures = try await play(on: stage, in: place, peer)
            await peer.stop()
            return figures
        } catch {
            await peer.stop()
            throw error
        }
    }

    private func play(on stage: AttackStage, in place: String, _ peer: HostilePeer) async throws -> [Figure] {
        var configuration = VictimConfiguration(services: ["shop", "bank"], files: ["third"])
        configuration.peers = [
            VictimConfiguration.Peer(
                cluster: "far", port: peer.port, services: ["shop"], reach: kind == .gateways ? "lanes" : "gateway")
        ]
        let files = ["third.yaml": "services: {bank: []}\n"]
        return try await stage.withVictim(in: place, configuration, files: files) { victim in
            let services = Self.bank.mapValues { $0.map { "\($0):80" } }
            let least = stage.scale.duration(10, short: 4)
            let stale = Shared<Duration?>(nil)
            let (bank, shop) = (Shared<[String]?>(nil), Shared<[String]?>(nil))
            let exposure = try await Exposure.measure(victim, services: services) {
                await peer.turnHostile()
                if kind == .services {
                    let time = try await victim.timeUntilStale("far", atLeast: least)
                    stale.change { $0 = time }
                } else {
                    try await Task.sleep(for: least)
                    let reason = await victim.staleReason(of: "far")
                    if reason != nil { stale.change { $0 = least } }
                }
                for (name, list) in [("bank", bank), ("shop", shop)] {
                    let addresses = await HonestClients.addresses(of: name, from: victim, within: .seconds(5))
                    list.change { $0 = addresses }
                }
            }
            let ending = await victim.stop()
            return figures(
                exposure, stale: stale.value, bank: bank.value, shop: shop.value, ending: ending / .seconds(1))
        }
    }

    private func figures(
        _ exposure: Exposure, stale: Duration?, bank: [String]?, shop: [String]?, ending: Double
    ) -> [Figure] {
        let isOf = { (addresses: [String]?, prefixes: [String]) in
            (addresses ?? []).filter { address in prefixes.contains { address.hasPrefix("\($0)") } }
        }
        switch kind {
        case .services:
            return exposure.figures(Exposure.Bars(memory: 300, newClient: 2)) + [
                Figure("stale after", stale.map { $0 / .seconds(1) }, "s", most: 30)
            ]
        case .gateways:
            return exposure.figures(Exposure.Bars(memory: 300, honestMost: 1, newClient: 2)) + [
                Figure("endpoints of its service", Double(shop?.count ?? 0), ""),
                Figure("until the end after SIGTERM", ending, "s", most: 9.5),
            ]
        case .takeover:
            let foreign = isOf(bank, ["10.66."])
            return exposure.figures(Exposure.Bars()) + [
                Figure(
                    "only its own pods have the service", isTrue: bank?.count == 2 && foreign.isEmpty,
                    otherwise: "\(bank?.joined(separator: " ") ?? "no answer")")
            ]
        case .otherCluster:
            let foreign = isOf(shop, ["10.67."])
            return exposure.figures(Exposure.Bars()) + [
                Figure("nothing of it is served", isTrue: foreign.isEmpty, otherwise: foreign.joined(separator: " ")),
                Figure("stale", isTrue: stale != nil),
            ]
        case .addresses:
            let foreign = isOf(shop, Self.strange.map { "\($0):" })
            return exposure.figures(Exposure.Bars()) + [
                Figure("none is served", isTrue: foreign.isEmpty, otherwise: foreign.joined(separator: " "))
            ]
        }
    }

    private var export: HostilePeer.Export {
        switch kind {
        case .services:
            return { message in
                let addresses = (0..<50).map { "10.66.\(message & 255).\($0 + 1)" }
                return (0..<50).map { HostilePeer.service("endless-\(message)-\($0)", addresses: addresses) }
            }
        case .gateways:
            let gateways = (0..<2_000).map { "10.68.\($0 / 250).\($0 % 250 + 1):15443" }
            let addresses = (1...20).map { "10.66.0.\($0)" }
            return Self.once([HostilePeer.service("shop", addresses: addresses, gateways: gateways)])
        case .takeover:
            return Self.once([
                HostilePeer.good, HostilePeer.service("bank", addresses: ["10.66.1.1"], weight: 1_000_000),
            ])
        case .otherCluster:
            return Self.once([HostilePeer.service("shop", cluster: "third", addresses: ["10.67.0.1"])])
        case .addresses:
            return Self.once([HostilePeer.service("shop", addresses: Self.strange + ["10.66.0.9"])])
        }
    }

    private static func once(_ services: [ExportedService]) -> HostilePeer.Export {
        { message in message == 0 ? services : nil }
    }
}
