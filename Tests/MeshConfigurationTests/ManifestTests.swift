import Foundation
import MeshConfiguration
import Model
import Testing
import TestSupport
import Yams

/// The manifests for Kubernetes, as far as they can be checked without a cluster.
@Suite struct ManifestTests {
    private static let files = [
        "ballast.yaml", "remote-reader.yaml", "two-clusters-kubeconfig.yaml", "two-clusters-peers-east.yaml",
        "two-clusters-peers-west.yaml",
    ]

    private func objects(_ file: String) throws -> [[String: Any]] {
        let text = try String(contentsOfFile: "\(repository)/envoy-configs/kubernetes/\(file)", encoding: .utf8)
        return try Yams.load_all(yaml: text).compactMap { $0 as? [String: Any] }
    }

    private func object(_ kind: String) throws -> [String: Any] {
        try #require(try objects("ballast.yaml").first { $0["kind"] as? String == kind })
    }

    /// What is at a path, such as `spec.template`; numbers are places in lists.
    private func value(_ path: String, in object: Any?) -> Any? {
        path.split(separator: ".").reduce(object) { object, key in
            if let index = Int(key) { return (object as? [Any])?[index] }
            return (object as? [String: Any])?[String(key)]
        }
    }

    @Test(arguments: files) func `every configuration in them is one that Ballast takes`(_ file: String) throws {
        for object in try objects(file) {
            #expect(object["apiVersion"] is String && object["kind"] is String)
            guard object["kind"] as? String == "ConfigMap" else { continue }
            let text = try #require(value("data", in: object) as? [String: String])["ballast.yaml"]
            _ = try Configuration(text: #require(text), file: "/etc/ballast/ballast.yaml")
        }
    }

    @Test func `the Deployment is as tight as it can be, and its probes ask what there is`() throws {
        let deployment = try object("Deployment")
        #expect(value("spec.replicas", in: deployment) as? Int == 2)
        let pod = value("spec.template.spec", in: deployment)
        #expect(value("securityContext.runAsNonRoot", in: pod) as? Bool == true)
        let container = value("containers.0", in: pod)
        #expect(value("securityContext.readOnlyRootFilesystem", in: container) as? Bool == true)
        #expect(value("securityContext.allowPrivilegeEscalation", in: container) as? Bool == false)
        #expect(value("securityContext.capabilities.drop", in: container) as? [String] == ["ALL"])
        #expect(value("readinessProbe.httpGet.path", in: container) as? String == "/readyz")
        #expect(value("livenessProbe.httpGet.path", in: container) as? String == "/healthz")
        let labels = value("spec.template.metadata.labels", in: deployment) as? [String: String]
        for kind in ["Service", "PodDisruptionBudget", "NetworkPolicy"] {
            let selector = ["spec.selector", "spec.selector.matchLabels", "spec.podSelector.matchLabels"]
                .compactMap { value($0, in: try? object(kind)) as? [String: String] }
            #expect(selector.contains { $0 == labels }, "\(kind)")
        }
        let ports = (value("ports", in: container) as? [[String: Any]] ?? []).compactMap { $0["containerPort"] as? Int }
        let map = try object("ConfigMap")
        let text = try #require(value("data", in: map) as? [String: String])["ballast.yaml"]
        let configuration = try Configuration(text: #require(text), file: "/etc/ballast/ballast.yaml")
        #expect(ports == [Int(configuration.server.xds.listen.port), Int(configuration.server.admin.listen.port)])
        let mounts = (value("volumeMounts", in: container) as? [[String: Any]] ?? []).compactMap {
            $0["mountPath"] as? String
        }
        let files = [
            configuration.server.state, configuration.server.xds.tls?.certificate, configuration.server.admin.tokenFile,
        ]
        for file in files {
            #expect(mounts.contains { file?.hasPrefix($0) == true }, "\(file ?? "")")
        }
    }

    @Test(arguments: files) func `no file has two objects of one kind and name, of which one would win`(_ file: String)
        throws
    {
        let names = try objects(file).map { object in
            ["kind", "metadata.namespace", "metadata.name"].map { value($0, in: object) as? String ?? "" }
        }
        #expect(Set(names).count == names.count)
    }

    @Test(arguments: ["east", "west"])
    func `peers reach a Ballast that is not ready, for they make each other ready`(_ cluster: String) throws {
        let service = try #require(
            try objects("two-clusters-peers-\(cluster).yaml").first {
                value("metadata.name", in: $0) as? String == "ballast-peers"
            })
        #expect(value("spec.publishNotReadyAddresses", in: service) as? Bool == true)
        let labels = value("spec.template.metadata.labels", in: try object("Deployment")) as? [String: String]
        #expect(value("spec.selector", in: service) as? [String: String] == labels)
        let ports = value("spec.template.spec.containers.0.ports", in: try object("Deployment")) as? [[String: Any]]
        #expect(
            ports?.contains { $0["name"] as? String == value("spec.ports.0.targetPort", in: service) as? String }
                == true)
    }

    @Test func `it may list and watch what it reads, and nothing else`() throws {
        for file in ["ballast.yaml", "remote-reader.yaml"] {
            let role = try #require(try objects(file).first { $0["kind"] as? String == "ClusterRole" })
            let rules = try #require(role["rules"] as? [[String: [String]]])
            #expect(Set(rules.flatMap { $0["verbs"] ?? [] }) == ["list", "watch"])
            #expect(Set(rules.flatMap { $0["resources"] ?? [] }) == ["endpointslices", "services"])
        }
    }
}
