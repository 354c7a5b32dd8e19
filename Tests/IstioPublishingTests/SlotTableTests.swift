import Foundation
import Intent
@testable import IstioPublishing
import KubernetesClient
import Model
import Testing
import TestSupport

private func pod(_ number: Int, _ health: Pod.Health = .healthy) -> Pod {
    var pod = Pod(name: "p\(number)", address: address(number))
    pod.health = health
    return pod
}

private func address(_ number: Int) -> SocketAddress {
    guard let address = SocketAddress("10.0.\(number / 250).\(number % 250 + 1):8080") else {
        preconditionFailure("it is an address")
    }
    return address
}

private let gatewayAddress = address(9_999)

private func objects(slots: Int?, keepFor: Duration = .seconds(60), areServices: Bool = false) -> SlotObjects {
    var publication = IstioPublication(
        access: KubernetesAccess(), namespace: "istio-system",
        services: ["httpbin": .init(port: 8000, slots: slots, serviceAccount: "httpbin")])
    publication.keepFor = keepFor
    if areServices { publication.tunnel = IstioPublication.Tunnel(certificate: "c", key: "k", ca: "a") }
    return SlotObjects(publication: publication, cluster: "west")
}

/// An API server and gateways that do what they are told, sooner or later.
private struct World {
    var table: SlotTable
    var objects: SlotObjects
    var now = ContinuousClock.now
    var version = 100
    /// What the gateways have behind each slot.
    var gateway: [Slot: SocketAddress] = [:]
    var stored: [Slot: SlotObject] = [:]
    var writeCount = 0
    var deleteCount = 0

    init(_ objects: SlotObjects) {
        self.objects = objects
        table = SlotTable(objects)
        table.replaceGateways([gatewayAddress])
    }

    mutating func publish(_ pods: [Pod], isSynced: Bool = true) {
        table.replacePods(["httpbin": pods], isSynced: isSynced, at: now)
    }

    /// Performs what has to be written.
    mutating func write() {
        for write in table.writes(at: now).writes {
            version += 1
            switch write.action {
            case .put(let content, _, let expected):
                writeCount += 1
                #expect(expected == stored[write.slot]?.version, "it writes on what it has seen")
                guard let data = try? objects.body(write.slot, content, version: "\(version)"),
                    var object = try? objects.object(data)
                else {
                    Issue.record("it can't be read")
                    continue
                }
                object.uid = stored[write.slot]?.uid ?? "uid-\(version)"
                stored[write.slot] = object
                table.note(object, at: now)
            case .delete(let uid, let expected):
                #expect(expected == stored[write.slot]?.version)
                deleteCount += 1
                #expect(stored[write.slot]?.uid == uid)
                if let entry = stored.removeValue(forKey: write.slot) { table.remove(entry) }
            }
        }
    }

    /// istiod pushes.
    mutating func push() { gateway = stored.compactMapValues(\.endpoint) }

    /// Asks the gateway for each SNI.
    mutating func probe() {
        for question in table.questions(at: now) {
            for address in question.gateways {
                table.note(gateway[question.slot] == nil ? .reset("no chain") : .answered, of: address, to: question)
            }
        }
    }

    /// Every gateway gives the same answer to every question.
    mutating func answer(_ answer: SlotTable.Answer) {
        for question in table.questions(at: now) {
            for address in question.gateways { table.note(answer, of: address, to: question) }
        }
    }

    /// Everything happens, and nothing is left to do.
    mutating func settle() {
        for _ in 0..<6 {
            write()
            push()
            probe()
        }
    }

    var announced: [SocketAddress: Slot] { table.announced("httpbin") }
}

@Suite struct SlotTableTests {
    @Test func `nothing is written before the entries were listed and the source has delivered`() {
        var world = World(objects(slots: 3))
        world.publish([pod(1)], isSynced: false)
        #expect(world.table.writes(at: world.now).writes.isEmpty)
        world.table.replace(with: [], at: world.now)
        #expect(world.table.writes(at: world.now).writes.isEmpty, "the pods are saved ones")
        world.publish([pod(1)])
        #expect(world.table.writes(at: world.now).writes.count == 3)
    }

    @Test func `a pod is announced once the gateways answer for its slot`() {
        var world = World(objects(slots: 3))
        world.table.replace(with: [], at: world.now)
        world.publish([pod(1), pod(2)])
        world.write()
        world.probe()
        #expect(world.announced.isEmpty)
        world.push()
        world.probe()
        #expect(
            world.announced == [
                address(1): Slot(service: "httpbin", name: "s0"), address(2): Slot(service: "httpbin", name: "s1"),
            ])
        #expect(world.stored.count == 3 && world.table.isComplete)
    }

    @Test
    func `a slot is emptied a second after its pod is gone, and free when it was empty for long and leads nowhere`() {
        var world = World(objects(slots: 1))
        world.table.replace(with: [], at: world.now)
        world.publish([pod(1)])
        world.settle()
        let writes = world.writeCount
        world.publish([pod(2)])
        #expect(world.announced.isEmpty)
        world.settle()
        #expect(world.writeCount == writes, "clients have a second to hear of it")
        #expect(world.table.writes(at: world.now).next == world.now + .seconds(1))
        world.now += .seconds(1)
        world.write()
        #expect(world.stored.values.first?.endpoint == nil)
        world.now += .seconds(59)
        world.probe()
        world.write()
        #expect(world.stored.values.first?.endpoint == nil, "not before keepFor")
        world.now += .seconds(1)
        // The gateway has not heard that the slot is empty.
        world.probe()
        world.write()
        #expect(world.stored.values.first?.endpoint == nil, "an answer could be from the old pod")
        world.push()
        world.settle()
        #expect(world.announced == [address(2): Slot(service: "httpbin", name: "s0")])
        #expect(world.writeCount == writes + 2)
    }

    @Test func `a pod that comes and goes costs one edit each, and nothing is deleted`() {
        var world = World(objects(slots: 20))
        world.table.replace(with: [], at: world.now)
        world.publish((0..<10).map { pod($0) })
        world.settle()
        #expect(world.writeCount == 20)
        world.publish((0..<11).map { pod($0) })
        world.settle()
        #expect(world.writeCount == 21)
        world.publish((1..<11).map { pod($0) })
        world.now += .seconds(2)
        world.settle()
        #expect(world.writeCount == 22 && world.deleteCount == 0)
    }

    @Test func `without slots each pod has an entry by its name, which is deleted when it was empty for long`() {
        var world = World(objects(slots: nil))
        world.table.replace(with: [], at: world.now)
        world.publish([pod(1), pod(2)])
        world.settle()
        #expect(Set(world.stored.keys.map(\.name)) == ["p1", "p2"])
        world.publish([pod(2)])
        world.now += .seconds(1)
        world.settle()
        #expect(world.stored[Slot(service: "httpbin", name: "p1")]?.endpoint == nil)
        world.now += .seconds(60)
        world.settle()
        #expect(Set(world.stored.keys.map(\.name)) == ["p2"] && world.deleteCount == 1)
    }

    @Test func `a process that starts finds the slots as they are, and writes nothing`() {
        var first = World(objects(slots: 5))
        first.table.replace(with: [], at: first.now)
        first.publish((0..<3).map { pod($0) })
        first.settle()
        var second = World(objects(slots: 5))
        (second.stored, second.gateway, second.version) = (first.stored, first.gateway, first.version)
        second.table.replace(with: Array(first.stored.values), at: second.now)
        second.publish((0..<3).map { pod($0) })
        second.settle()
        #expect(second.writeCount == 0 && second.announced == first.announced)
    }

    /// A process that starts, with what the first one left.
    private func restarted(_ first: World) -> World {
        var world = World(first.objects)
        (world.stored, world.gateway, world.version) = (first.stored, first.gateway, first.version)
        world.table.replace(with: Array(first.stored.values), at: world.now)
        return world
    }

    @Test(arguments: [SlotTable.Answer?.none, .unreachable("down"), .reset("broken")])
    func `if gateways don't answer after a start, or reset everything, what was there is announced`(
        answer: SlotTable.Answer?
    ) {
        var first = World(objects(slots: 3))
        first.table.replace(with: [], at: first.now)
        first.publish([pod(1), pod(2)])
        first.settle()
        var world = restarted(first)
        world.publish([pod(1), pod(2)])
        if let answer { world.answer(answer) }
        #expect(world.announced.isEmpty)
        #expect(world.table.trustAdopted().count == 2)
        #expect(world.announced == first.announced)
        world.answer(.unreachable("still down"))
        #expect(world.announced.count == 2)
        // The gateway is back, and one SNI is missing.
        world.gateway[Slot(service: "httpbin", name: "s0")] = nil
        world.probe()
        world.probe()
        #expect(world.announced.count == 1)
    }

    @Test func `a gateway that is new is verified when it leads to every announced pod, and nobody loses a pod by it`()
    {
        var world = World(objects(slots: 2))
        world.table.replace(with: [], at: world.now)
        world.publish([pod(1), pod(2)])
        world.settle()
        world.table.verifyGateways(all: true)
        let other = address(8_888)
        world.table.replaceGateways([gatewayAddress, other])
        #expect(world.announced.count == 2 && world.table.verifiedGateways == [gatewayAddress])
        let questions = world.table.questions(at: world.now).filter(\.hasPod)
        #expect(questions.count == 2 && questions.allSatisfy { $0.gateways == [other] && $0.isAnnounced })
        world.table.note(.answered, of: other, to: questions[0])
        world.table.verifyGateways()
        #expect(world.table.verifiedGateways == [gatewayAddress])
        world.table.note(.answered, of: other, to: questions[1])
        world.table.verifyGateways()
        #expect(world.table.verifiedGateways == [gatewayAddress, other])
    }

    @Test func `a list replaces what was known, also with older versions: the storage may have been restored`() {
        var world = World(objects(slots: 3))
        world.table.replace(with: [], at: world.now)
        world.publish([pod(1), pod(2)])
        world.settle()
        let backup = (world.stored, world.version)
        world.publish([pod(3), pod(4)])
        world.now += .seconds(1)
        world.settle()
        world.now += .seconds(61)
        world.settle()
        #expect(Set(world.announced.keys) == [address(3), address(4)])
        (world.stored, world.version) = backup
        world.push()
        world.table.replace(with: Array(world.stored.values), at: world.now)
        #expect(world.announced.isEmpty, "the slots lead to others")
        world.now += .seconds(1)
        world.settle()
        world.now += .seconds(61)
        world.settle()
        #expect(Set(world.announced.keys) == [address(3), address(4)])
    }

    @Test func `a slot whose host changes is asked for again, and counts as a new host`() throws {
        var world = World(objects(slots: 1))
        world.table.replace(with: [], at: world.now)
        world.publish([pod(1)])
        world.settle()
        var publication = world.objects.publication
        publication.hosts = try HostTemplate("{slot}.{service}.other.local")
        var other = World(SlotObjects(publication: publication, cluster: "west"))
        (other.stored, other.gateway, other.version) = (world.stored, world.gateway, world.version)
        other.table.replace(with: Array(world.stored.values), at: other.now)
        other.publish([pod(1)])
        let writes = other.table.writes(at: other.now).writes
        #expect(writes.count == 1 && writes[0].changesHost)
        #expect(
            AutoPassthrough([]).problem(with: writes[0], of: other.objects) != nil, "an edit is refused like a creation"
        )
        other.probe()
        #expect(other.announced.count == 1)
        other.write()
        #expect(other.announced.isEmpty, "the gateway has another name for it")
    }

    @Test func `an object that somebody else has changed is left alone, and its pod gets another slot`() throws {
        var world = World(objects(slots: 3))
        world.table.replace(with: [], at: world.now)
        world.publish([pod(1)])
        world.settle()
        let slot = Slot(service: "httpbin", name: "s0")
        var edited = try #require(world.stored[slot])
        edited.stranger = "jane"
        edited.endpoint = address(77)
        edited.version = "9999"
        world.stored[slot] = edited
        world.table.note(edited, at: world.now)
        world.now += .seconds(2)
        world.settle()
        #expect(world.announced == [address(1): Slot(service: "httpbin", name: "s1")])
        #expect(world.stored[slot]?.endpoint == address(77) && world.deleteCount == 0)
        #expect(world.table.problems(at: world.now).contains { $0.contains("jane") })
    }

    @Test func `a Service's slot gets pods of another address family by a new slice`() throws {
        var world = World(objects(slots: 1, keepFor: .zero, areServices: true))
        world.table.replace(with: [], at: world.now)
        let sixth = Pod(name: "p6", address: try #require(SocketAddress("[fd00::1]:8080")))
        world.publish([sixth])
        world.settle()
        #expect(world.announced.count == 1)
        world.publish([])
        world.now += .seconds(1)
        world.settle()
        #expect(world.stored.values.first?.endpoint == nil && world.deleteCount == 0, "emptied as it is")
        world.publish([pod(4)])
        world.settle()
        #expect(Set(world.announced.keys) == [address(4)] && world.deleteCount == 1)
    }

    @Test func `a slot that another process emptied is kept as long as one that this process has emptied`() throws {
        var world = World(objects(slots: 1))
        world.table.replace(with: [], at: world.now)
        world.publish([])
        world.settle()
        var object = try #require(world.stored.values.first)
        object.age = .seconds(10)
        var next = World(world.objects)
        next.version = world.version
        next.stored = world.stored
        next.table.replace(with: [object], at: next.now)
        next.publish([pod(1)])
        next.settle()
        #expect(next.announced.isEmpty)
        next.now += .seconds(50)
        next.settle()
        #expect(next.announced.count == 1)
    }

    @Test func `a write in progress keeps its slot and its pod, and one that can't be written its slot only`() {
        var world = World(objects(slots: 3))
        world.table.replace(with: [], at: world.now)
        world.publish([pod(1), pod(2)])
        let writes = world.table.writes(at: world.now).writes
        world.table.begin(writes[0])
        let others = world.table.writes(at: world.now).writes
        #expect(!others.contains { $0.slot == writes[0].slot || $0.reason == writes[0].reason })
        world.table.end(writes[0].slot)
        let blocked = world.table.writes(at: world.now, blocked: [writes[0].slot]).writes
        #expect(blocked.contains { $0.reason == "for pod p1" } && !blocked.contains { $0.slot == writes[0].slot })
    }

    @Test func `an older event doesn't undo what an answer to a write told`() throws {
        var world = World(objects(slots: 1))
        world.table.replace(with: [], at: world.now)
        world.publish([])
        world.write()
        let empty = try #require(world.stored.values.first)
        world.probe()
        world.publish([pod(1)])
        world.write()
        world.table.note(empty, at: world.now)
        #expect(world.table.entries.values.first?.endpoint == address(1))
    }

    @Test func `with too few slots pods that take traffic come first, and the rest is reported`() {
        var world = World(objects(slots: 2))
        world.table.replace(with: [], at: world.now)
        world.publish([pod(1, .unhealthy), pod(2), pod(3)])
        world.settle()
        #expect(Set(world.announced.keys) == [address(2), address(3)])
        #expect(world.table.problems(at: world.now).contains { $0.contains("3 pods and 2 slots") })
    }

    @Test
    func
        `entries of a service that is no longer published are deleted, and slots beyond the number when they are empty`()
    {
        var world = World(objects(slots: 4))
        world.table.replace(with: [], at: world.now)
        world.publish((0..<4).map { pod($0) })
        world.settle()
        var fewer = World(objects(slots: 2))
        (fewer.stored, fewer.gateway, fewer.version) = (world.stored, world.gateway, world.version)
        fewer.table.replace(with: Array(world.stored.values), at: fewer.now)
        fewer.publish((0..<4).map { pod($0) })
        fewer.settle()
        #expect(fewer.announced.count == 4, "nobody loses a slot")
        fewer.publish([pod(0)])
        fewer.now += .seconds(2)
        fewer.settle()
        fewer.now += .seconds(60)
        fewer.settle()
        #expect(Set(fewer.stored.keys.map(\.name)) == ["s0", "s1"])

        var other = IstioPublication(
            access: KubernetesAccess(), namespace: "istio-system", services: ["another": .init(port: 1, slots: 1)])
        other.keepFor = .zero
        var gone = World(SlotObjects(publication: other, cluster: "west"))
        (gone.stored, gone.version) = (fewer.stored, fewer.version)
        gone.table.replace(with: Array(fewer.stored.values), at: gone.now)
        gone.table.replacePods(["another": []], isSynced: true, at: gone.now)
        gone.now += .seconds(1)
        gone.write()
        #expect(gone.stored.keys.map(\.description) == ["another/s0"])
    }

    @Test func `names of objects lead back to their slots`() {
        for areServices in [false, true] {
            let objects = objects(slots: 2, areServices: areServices)
            for slot in [Slot(service: "httpbin", name: "s0"), Slot(service: "httpbin", name: "s11")] {
                #expect(objects.slot(named: objects.name(of: slot)) == slot)
            }
            for name in ["ballast-", "ballast-west.", "ballast-west.httpbin", "other", "ballast-east.httpbin.s0", ""] {
                #expect(
                    objects.slot(named: name).map { objects.publication.services[$0.service] == nil } ?? true, "\(name)"
                )
            }
        }
    }

    /// Random pods, pushes and probes in any order.
    @Test(arguments: [4, 9, nil, -5], 0..<40)
    func `whatever happens, what is announced is what the gateway leads to, and no living pod's entry goes`(
        slots: Int?, seed: Int
    ) {
        // A negative number stands for Services.
        let areServices = slots.map { $0 < 0 } ?? false
        let slots = slots.map(abs)
        var random = SeededGenerator(seed: UInt64(seed))
        var world = World(objects(slots: slots, keepFor: .seconds(5), areServices: areServices))
        world.table.replace(with: [], at: world.now)
        var pods: [Pod] = []
        for _ in 0..<200 {
            switch Int.random(in: 0..<9, using: &random) {
            case 0:
                pods = (0..<12).filter { _ in Bool.random(using: &random) }.map { pod($0) }
                world.publish(pods)
            case 1:
                let before = world.stored
                world.write()
                for pod in pods {
                    let had = before.filter { $0.value.endpoint == pod.address }
                    #expect(had.allSatisfy { world.stored[$0.key]?.endpoint == pod.address })
                }
            case 2: world.push()
            case 3: world.probe()
            case 4: world.now += .milliseconds(Int.random(in: 1...3_000, using: &random))
            case 5: world.answer(.unreachable("away"))
            case 6:
                // A write that fails, or whose answer is lost.
                guard let write = world.table.writes(at: world.now).writes.randomElement(using: &random) else { break }
                world.table.begin(write)
                world.table.end(write.slot)
            case 7:
                // Another process starts, and is told everything again. Until it has asked, it announces nothing.
                world.table = SlotTable(world.objects)
                world.table.replaceGateways([gatewayAddress])
                world.table.replace(with: Array(world.stored.values), at: world.now)
                world.publish(pods)
            default: world.settle()
            }
            let announced = world.announced
            #expect(Set(announced.values).count == announced.count)
            for (address, slot) in announced { #expect(world.gateway[slot] == address) }
            let endpoints = world.stored.values.compactMap(\.endpoint)
            #expect(Set(endpoints).count == endpoints.count, "a pod has one slot")
        }
        world.now += .seconds(10)
        world.settle()
        world.now += .seconds(10)
        world.settle()
        #expect(world.announced.count == min(pods.count, slots ?? pods.count))
    }
}
