import Foundation
import MeshConfiguration
import Model
import Testing
import TestSupport
import YAMLFile

/// Services with pods, as text, in the layout that is read in parts.
private struct Layout {
    var services: [(name: String, pods: [(name: String, number: Int, weight: Int)])]

    var text: String {
        var text = "# made by a test\nservices:\n"
        for service in services {
            text += "  \(service.name):\(service.pods.isEmpty ? " []" : "")\n"
            for pod in service.pods {
                let address = "10.0.\(pod.number / 250).\(pod.number % 250 + 1):80"
                text += "    - {name: \(pod.name), address: \"\(address)\", weight: \(pod.weight)}\n"
            }
        }
        return text
    }

    /// Changes one thing or another.
    mutating func mutate(with random: inout SeededGenerator) {
        let index = services.indices.randomElement(using: &random) ?? 0
        let number = Int.random(in: 0..<500, using: &random)
        switch Int.random(in: 0..<8, using: &random) {
        case 0: services.insert(("new\(number)", []), at: index)
        case 1 where services.count > 1: services.remove(at: index)
        case 2 where !services[index].pods.isEmpty: services[index].pods.removeLast()
        case 3 where !services[index].pods.isEmpty: services[index].pods.removeFirst()
        case 4: services[index].pods.shuffle(using: &random)
        case 5: services[index].pods.append(("p\(number)", number, 1))
        default:
            for pod in services[index].pods.indices where Bool.random(using: &random) {
                services[index].pods[pod].weight = Int.random(in: 1...9, using: &random)
            }
        }
    }
}

@Test(arguments: 0..<8)
func `a file that is read in parts says what it says as a whole`(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    var layout = Layout(
        services: (0..<10).map { service in
            ("s\(service)", (0..<6).map { ("p\($0)", $0, 1) })
        })
    var reader = EndpointsReader(file: "e.yaml")
    var accepted = 0
    for _ in 0..<60 {
        layout.mutate(with: &random)
        // Pods may have got a name or an address twice, services a name: that is refused either way.
        let whole = try? EndpointsFile(text: layout.text, file: "e.yaml")
        let read = try? reader.read(Data(layout.text.utf8))
        #expect(read == whole)
        if read != nil { accepted += 1 }
    }
    #expect(accepted > 5)
}

@Test(arguments: [
    "services: {a: [{name: p, address: \"10.0.0.1:80\"}]}\n",
    "services:\n  a:\n  - {name: p, address: \"10.0.0.1:80\"}\n  b:\n  - name: p\n    address: \"10.0.0.2:80\"\n",
    "services:\n  a:\n    - &p {name: p, address: \"10.0.0.1:80\"}\n  b:\n    - *p\n",
    "services:\n  a:\n    - {name: p,\n  address: \"10.0.0.1:80\"}\n",
    "services:\r\n  a:\r\n    - {name: p, address: \"10.0.0.1:80\"}\r\n",
])
func `YAML in any other layout is read too, again and again`(text: String) throws {
    var reader = EndpointsReader(file: "e.yaml")
    for text in [text, try text.replacingOnce("10.0.0.1", with: "10.0.0.9")] {
        #expect(try reader.read(Data(text.utf8)) == EndpointsFile(text: text, file: "e.yaml"))
    }
}

@Test func `a line that doesn't fit the others is an error, though it would do alone`() throws {
    var reader = EndpointsReader(file: "e.yaml")
    func text(_ lines: [String]) -> Data { Data(("services:\n  a:\n" + lines.joined(separator: "\n") + "\n").utf8) }
    let pods = (1...9).map { "    - {name: p\($0), address: \"10.0.0.\($0):80\"}" }
    _ = try reader.read(text(pods))
    // Twice, so that the lines' layout is known.
    for weight in 2...3 {
        var changed = pods
        changed[4] = "    - {name: p5, address: \"10.0.0.5:80\", weight: \(weight)}"
        _ = try reader.read(text(changed))
    }
    for wrong in ["      - {name: p5, address: \"10.0.0.5:80\"}", "    - {name: p6, address: \"10.0.0.5:80\"}", "  ]"] {
        var changed = pods
        changed[4] = wrong
        #expect(throws: ConfigurationError.self) { _ = try reader.read(text(changed)) }
    }
    #expect(throws: ConfigurationError.self) { _ = try reader.read(text([])) }
}

@Test(arguments: [
    String(repeating: "# *x\n", count: 9), String(repeating: "# 2 * 3\n", count: 9), "  # *x\n# y\n",
    String(repeating: "# *x\n", count: 8),
]) func `what counts as an alias in a comment is the same when a file is read in parts`(_ comments: String) {
    for name in ["a", String(repeating: "a", count: 1_000), String(repeating: "a", count: 1_025)] {
        let text = "services:\n\(comments)  \(name):\n\(comments)    - {name: p, address: \"10.0.0.1:80\"}\n"
        var reader = EndpointsReader(file: "e.yaml")
        for text in [text, text.replacing("10.0.0.1", with: "10.0.0.2")] {
            #expect((try? reader.read(Data(text.utf8))) == (try? EndpointsFile(text: text, file: "e.yaml")))
        }
    }
}

@Test func `bytes that aren't text are refused in a comment, too`() throws {
    let good = "# pods\nservices:\n  a:\n    - {name: p, address: \"10.0.0.1:80\"}\n"
    var reader = EndpointsReader(file: "e.yaml")
    _ = try reader.read(Data(good.utf8))
    for byte in [0xff, 0xc5, 0x01, 0x00] as [UInt8] {
        var bytes = Array(good.utf8)
        bytes[3] = byte
        #expect(throws: ConfigurationError.self) { try reader.read(Data(bytes)) }
    }
}

@Test func `comments and empty lines between pods don't shift the lines in errors`() throws {
    let text = """
        services:
          a:
            - {name: p, address: "10.0.0.1:80"}
        # two are drained

            - {name: q, address: "10.0.0.2:80"}

          b:
            - {name: p, address: "10.0.0.3:80"}

        """
    var reader = EndpointsReader(file: "e.yaml")
    let read = try reader.read(Data(text.utf8))
    #expect(try read == EndpointsFile(text: text, file: "e.yaml"))
    #expect(read.lines["a"].map { [$0[0], $0[1]] } == [3, 6])
    // A service that did not change has other lines now.
    let moved = try reader.read(Data(text.replacingOnce("services:\n", with: "services:\n# a comment\n").utf8))
    #expect(moved.lines["b"].map { $0[0] } == 10)
}
