import TestBench
import Testing
import TestSupport

/// An Envoy's side of mutual TLS to Ballast.
let transportSocket = """
      - name: ballast
        type: STATIC
        transport_socket:
          name: envoy.transport_sockets.tls
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
            sni: ballast.example
            common_tls_context:
              alpn_protocols: [h2]
              tls_certificates: [{certificate_chain: {filename: certs/client.crt}, private_key: {filename: certs/client.key}}]
              validation_context: {trusted_ca: {filename: certs/ca.crt}}
    """

extension EnvoyTests {
    /// Who may talk to a running Ballast.
    @Suite(.serialized) struct AccessTests {
        @Test func `an Envoy with a certificate is served over mutual TLS, and one without is not`() async throws {
            try await withBench { bench in
                let settings = "\(bench.host):\(Bench.xdsPort)\""
                let tls =
                    "\(settings), tls: {certificate: certs/ballast.crt, key: certs/ballast.key, clientCA: certs/ca.crt}"
                try bench.write(bench.template("ballast.yaml").replacingOnce(settings, with: tls), to: "ballast.yaml")
                try bench.publish(["e1", "e2"].map(bench.pod), in: "east")
                try bench.publish(["w1"].map(bench.pod), in: "west")
                try await bench.startBallast()

                let plain = try bench.template("eds-delta.yaml")
                    .replacingOnce(
                        "resource_api_version: V3", with: "resource_api_version: V3\n        initial_fetch_timeout: 1s")
                try await bench.startEnvoy("client", plain, bench.client, concurrency: 1)
                #expect(try await bench.client.weights(of: "httpbin").isEmpty)
                #expect(try await bench.client.stat("cluster.httpbin.update_success") == 0)
                _ = try await bench.process("client").stop()

                let mutual = try plain.replacingOnce("  - name: ballast\n    type: STATIC", with: transportSocket)
                try await bench.startEnvoy("client", mutual, bench.client, concurrency: 1)
                #expect(try await bench.client.weights(of: "httpbin").count == 3)
            }
        }

        @Test func `an admin API with a token asks everyone for it, but for health`() async throws {
            try await withBench { bench in
                let listen = "admin: {listen: \"\(bench.host):\(Bench.adminPort)\""
                try bench.write(
                    bench.template("ballast.yaml").replacingOnce(listen, with: "\(listen), tokenFile: token"),
                    to: "ballast.yaml")
                try bench.write("secret\n", to: "token")
                try bench.publish([], in: "east")
                try bench.publish([], in: "west")
                try await bench.startBallast()
                let status = { (path: String, token: String?) in
                    try await HTTPConnection.open(host: bench.host, port: Bench.adminPort) { connection in
                        try await connection.get(
                            path, headers: token.map { [("authorization", "Bearer \($0)")] } ?? []
                        ).status
                    }
                }
                #expect(try await status("/v1/services", nil) == 401)
                #expect(try await status("/v1/clients", "wrong!") == 401)
                #expect(try await status("/v1/clients", "secret") == 200)
                #expect(try await status("/healthz", nil) == 200)
                // A token can be replaced.
                try bench.write("other", to: "token")
                #expect(try await status("/v1/clients", "secret") == 401)
                #expect(try await status("/v1/clients", "other") == 200)
            }
        }
    }
}
