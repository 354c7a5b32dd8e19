import Balancing
import Model
import Testing
import TestSupport

private let service = Service(name: "s")

/// East with two pods, and west with as many as asked for behind two gateways.
private func mesh(_ reach: Reach, west: [Pod] = pods("w", 3, network: 2), gateways: Int = 2) -> Mesh {
    Mesh(
        clusters: [
            Cluster(name: "east", locality: Locality(region: "east")),
            Cluster(
                name: "west", locality: Locality(region: "west"),
                gateways: (0..<gateways).map { address("172.16.0.\($0):15443") }, reach: reach),
        ],
        pods: ["east": pods("e", 2, network: 1), "west": west]
    )
}

extension Assignment {
    fileprivate var west: [Endpoint] { localities.filter { $0.locality.region == "west" }.flatMap(\.endpoints) }
    fileprivate var problem: String? { shares.first { $0.cluster == "west" }?.problem }
}

@Test func `pods: one endpoint for each, at the internal listener, with an SNI of its own`() {
    let assignment = mesh(.pods(sni: .standard)).assign(service, from: "east")
    #expect(
        assignment.west
            == (1...3).map { number in
                Assignment.Endpoint(
                    address: .listener("west_gateway", id: "w\(number).s.west.ballast"),
                    hostname: "w\(number).s.west.ballast",
                    weight: 1,
                    health: .healthy)
            }
    )
    #expect(assignment.localities.map(\.weight) == [2, 3])
    #expect(assignment.problem == nil)
}

@Test func `pods keep their zones, weights and healths, and unhealthy ones are left out`() throws {
    var west = pods("w", 4, network: 2)
    west[0].zone = "a"
    west[1].weight = try #require(Weight(5))
    west[2].health = .draining
    west[3].health = .unhealthy
    let assignment = mesh(.pods(sni: .standard), west: west).assign(service, from: "east")
    #expect(
        assignment.west.map(\.address.description) == ["w2", "w3", "w1"].map { "west_gateway/\($0).s.west.ballast" })
    #expect(assignment.west.map(\.health) == [.healthy, .draining, .healthy])
    #expect(assignment.localities.map(\.weight) == [2, 5, 1])
}

@Test func `a pod whose name can't be in an SNI is reached through the gateways, and it is said why`() {
    for name in ["a.b", "-a", "a b", String(repeating: "a", count: 64)] {
        var west = pods("w", 3, network: 2)
        west[1].name = name
        let assignment = mesh(.pods(sni: .standard), west: west).assign(service, from: "east")
        #expect(assignment.west.map(\.weight) == [2, 1], "all three pods count still")
        #expect(assignment.problem?.hasPrefix("pod \(name): its name can't be a label of an SNI") == true)
    }
}

@Test func `two pods that differ in case only have the same SNI, which is a problem`() {
    var west = pods("w", 2, network: 2)
    west[1].name = "W1"
    let problem = mesh(.pods(sni: .standard), west: west).assign(service, from: "east").problem
    #expect(problem?.contains("would have the same SNI, w1.s.west.ballast") == true)
}

@Test func `an SNI of more than 253 bytes is a problem`() throws {
    let label = String(repeating: "x", count: 60)
    let template = try SNITemplate("{pod}.{service}.\(label).\(label).\(label).\(label)")
    let problem = mesh(.pods(sni: template), west: [Pod(name: "long-name", address: address("10.2.0.1:80"))])
        .assign(service, from: "east").problem
    #expect(problem?.contains("no host name of 253 bytes or less") == true)
}

@Test func `a template fills in pod, service, port and cluster, in lower case`() throws {
    let template = try SNITemplate("{pod}.outbound_.{port}_._.{service}.{cluster}.Mesh")
    let pod = Pod(name: "W1", address: address("10.2.0.1:8443"))
    #expect(
        try template.name(of: pod, service: Service(name: "httpbin.default"), cluster: "west")
            == "w1.outbound_.8443_._.httpbin.default.west.mesh")
}

@Test func `the port in an SNI is the service's, where it has one: Istio's SNIs have that and not the pod's`() throws {
    let template = try SNITemplate("outbound_.{port}_.{pod}_.{service}.{cluster}.local")
    var service = Service(name: "httpbin")
    service.port = 8000
    let pods = ["a-1", "b-1"].map { Pod(name: $0, address: address("10.2.0.1:8443")) }
    let names = try template.names(of: pods, of: service, in: "west")
    #expect(
        names == [
            "a-1": "outbound_.8000_.a-1_.httpbin.west.local", "b-1": "outbound_.8000_.b-1_.httpbin.west.local",
        ])
}

@Test func `a pod with an SNI of its own is reached by that, and the others by the template`() throws {
    var pods = pods("w", 2, network: 2)
    pods[0].sni = DNSName("outbound_.8000_._.s3.httpbin.west.ballast.local")
    let names = try SNITemplate.standard.names(of: pods, of: Service(name: "httpbin"), in: "west")
    #expect(
        names.values.sorted() == [
            "outbound_.8000_._.s3.httpbin.west.ballast.local", "\(pods[1].name).httpbin.west.ballast",
        ])
}

@Test func `an SNI that changes is another identity: older Envoys go on with the old SNI of a known one`() {
    let address = { (template: SNITemplate) in mesh(.pods(sni: template)).assign(service, from: "east").west[0].address
    }
    let other = try? SNITemplate("{pod}.{service}.other")
    #expect(address(.standard) != address(other ?? .standard))
}

@Test func `an SNI that a pod could get is found among any number of services`() throws {
    let template = try SNITemplate("outbound_.{port}_.{pod}_.{service}.{cluster}.local")
    let index = SNITemplate.ServiceIndex(["a", "web.shop", "Web"])
    let find = { (name: String) in DNSName(name).flatMap { index.service(sharing: $0, by: template, in: "west") } }
    #expect(find("outbound_.80_.p_.a.west.local") == "a")
    #expect(find("outbound_.80_.p_.web.shop.west.local") == "web.shop")
    #expect(find("outbound_.80_.p_.web.west.local") == "Web")
    #expect(find("outbound_.80_.p.a.west.local") == nil)
    #expect(find("outbound_.80_.p_.b.west.local") == nil)
    #expect(find("outbound_.80_.p_.a.east.local") == nil)
}

@Test(arguments: [
    "{service}.x", "{pod}.x", "{pod}{port}.{service}", "{pod}.x{service}", "{pod}.{service}.{Zone}", "{pod}..{service}",
    "{pod}.{service}.", "",
])
func `a template that gives two pods one name, or makes no host names, is refused`(text: String) {
    #expect(throws: SNITemplate.Problem.self) { try SNITemplate(text) }
}

@Test func `lanes: some for each pod and gateway, bounded, and exact in sum`() throws {
    let west = { (reach: Reach, count: Int) in
        mesh(reach, west: pods("w", count, network: 2)).assign(service, from: "east").west
    }
    #expect(west(.lanes(LaneSettings()), 3).count == 2 * 12)
    #expect(west(.lanes(LaneSettings(perPod: 1, most: 5)), 9).count == 2 * 5)
    let lanes = west(.lanes(LaneSettings(perPod: 1)), 3)
    #expect(Set(lanes.map(\.address.description)) == Set((0..<6).map { "west_gateway/lane-\($0)" }))
    #expect(Set(lanes.map(\.hostname)) == ["\(service.name).west.ballast"], "the default for a service without an SNI")
    let assignment = mesh(.lanes(LaneSettings())).assign(service, from: "east")
    let weights = assignment.localities.compactMap(\.weight).map(Double.init)
    #expect(weights[1] / (weights[0] + weights[1]) == 3.0 / 5)
}

@Test func `connect: the pods' own addresses, each through one of the gateways`() {
    let assignment = mesh(.connect).assign(service, from: "east")
    #expect(assignment.west.map(\.address.description) == ["10.2.0.1:8000", "10.2.0.2:8000", "10.2.0.3:8000"])
    #expect(assignment.west.allSatisfy { $0.proxy.map { $0.port == 15443 } == true && $0.hostname == nil })
}

@Test func `connect: an address that another cluster's pod has already can't be sent again`() {
    let assignment = mesh(.connect, west: pods("w", 3, network: 1)).assign(service, from: "east")
    #expect(assignment.west.map(\.address.description) == ["172.16.0.0:15443", "172.16.0.1:15443"])
    #expect(assignment.problem?.contains("EDS takes an address once") == true)
}

@Test(arguments: [Reach.pods(sni: .standard), .lanes(LaneSettings()), .connect])
func `a client without more capabilities gets gateways`(reach: Reach) {
    let assignment = mesh(reach).assign(service, from: "east", for: .plain)
    #expect(assignment.west.map(\.address.description) == ["172.16.0.0:15443", "172.16.0.1:15443"])
    #expect(assignment.west.map(\.weight).reduce(0, +) == 3)
}

@Test func `a gateway sees its own cluster's pods only`() {
    let assignment = mesh(.pods(sni: .standard)).assign(service, from: "west", for: .gateway)
    #expect(assignment.localities.flatMap(\.endpoints) == assignment.west)
    #expect(assignment.west.map(\.address.description) == ["10.2.0.1:8000", "10.2.0.2:8000", "10.2.0.3:8000"])
}
