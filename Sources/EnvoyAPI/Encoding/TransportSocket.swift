import CEnvoyAPI
import Model

private typealias TransportSocket = UnsafeMutablePointer<Envoy__Config__Core__V3__TransportSocket>

extension Service {
    /// TLS to the pods, wrapped in the CONNECT proxy's transport socket if `throughProxies`; nil if neither is needed.
    func transportSocket(
        throughProxies: Bool, in arena: Arena
    ) -> UnsafeMutablePointer<Envoy__Config__Core__V3__TransportSocket>? {
        let tls = client.tls.map { EnvoyAPI.transportSocket($0, http: client.http, sni: sni, in: arena) }
        guard throughProxies else { return tls }
        let proxy = arena.make(
            envoy__extensions__transport_sockets__http_11_proxy__v3__http11_proxy_upstream_transport__init
        ) { $0.transport_socket = tls ?? rawBuffer(in: arena) }
        return EnvoyAPI.transportSocket(
            "envoy.transport_sockets.http_11_proxy",
            "envoy.extensions.transport_sockets.http_11_proxy.v3.Http11ProxyUpstreamTransport", proxy, in: arena)
    }
}

/// No TLS.
func rawBuffer(in arena: Arena) -> UnsafeMutablePointer<Envoy__Config__Core__V3__TransportSocket> {
    transportSocket(
        "envoy.transport_sockets.raw_buffer", "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer",
        arena.make(envoy__extensions__transport_sockets__raw_buffer__v3__raw_buffer__init) { _ in }, in: arena)
}

/// Passes filter state on to the internal listener that a connection goes to.
func internalUpstream(
    _ inner: UnsafeMutablePointer<Envoy__Config__Core__V3__TransportSocket>, in arena: Arena
) -> UnsafeMutablePointer<Envoy__Config__Core__V3__TransportSocket> {
    let socket = arena.make(
        envoy__extensions__transport_sockets__internal_upstream__v3__internal_upstream_transport__init
    ) { $0.transport_socket = inner }
    return transportSocket(
        "envoy.transport_sockets.internal_upstream",
        "envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport", socket, in: arena)
}

private func transportSocket<Message>(
    _ name: String, _ type: String, _ message: UnsafeMutablePointer<Message>, in arena: Arena
) -> TransportSocket {
    arena.make(envoy__config__core__v3__transport_socket__init) { socket in
        socket.name = arena.string(name)
        socket.config_type_case = ENVOY__CONFIG__CORE__V3__TRANSPORT_SOCKET__CONFIG_TYPE_TYPED_CONFIG
        socket.typed_config = arena.any(type, message)
    }
}

/// TLS as a client.
///
/// - Parameters:
///   - http: the HTTP version whose protocol is offered if the settings have none.
///   - sni: the SNI of endpoints without a host name; nil for none.
func transportSocket(
    _ tls: ClientSettings.TLS, http: ClientSettings.HTTPVersion = .http2, sni: DNSName?, in arena: Arena
) -> UnsafeMutablePointer<Envoy__Config__Core__V3__TransportSocket> {
    let common = arena.make(envoy__extensions__transport_sockets__tls__v3__common_tls_context__init) { message in
        if let certificate = tls.certificate {
            message.n_tls_certificates = 1
            message.tls_certificates = arena.array([
                arena.make(envoy__extensions__transport_sockets__tls__v3__tls_certificate__init) { pair in
                    pair.certificate_chain = file(certificate.certificate, in: arena)
                    pair.private_key = file(certificate.key, in: arena)
                }
            ])
        }
        message.validation_context_type_case =
            ENVOY__EXTENSIONS__TRANSPORT_SOCKETS__TLS__V3__COMMON_TLS_CONTEXT__VALIDATION_CONTEXT_TYPE_VALIDATION_CONTEXT
        message.validation_context = arena.make(
            envoy__extensions__transport_sockets__tls__v3__certificate_validation_context__init
        ) { validation in
            validation.trusted_ca = file(tls.ca, in: arena)
            let matchers = tls.identities.map { nameMatcher($0, in: arena) }
            validation.n_match_typed_subject_alt_names = matchers.count
            validation.match_typed_subject_alt_names = arena.array(matchers)
        }
        let protocols = tls.alpn ?? [http.alpn]
        message.n_alpn_protocols = protocols.count
        message.alpn_protocols = arena.array(protocols.map { arena.string($0) })
    }
    let context = arena.make(envoy__extensions__transport_sockets__tls__v3__upstream_tls_context__init) { message in
        message.common_tls_context = common
        message.sni = arena.string(sni?.description ?? "")
        // Endpoints with a host name are pods behind a gateway that routes by SNI.
        message.auto_host_sni = 1
    }
    return transportSocket(
        "envoy.transport_sockets.tls", "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", context,
        in: arena)
}

private func file(_ path: String, in arena: Arena) -> UnsafeMutablePointer<Envoy__Config__Core__V3__DataSource> {
    arena.make(envoy__config__core__v3__data_source__init) { message in
        message.specifier_case = ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_FILENAME
        message.filename = arena.string(path)
    }
}

private func nameMatcher(
    _ identity: String, in arena: Arena
) -> UnsafeMutablePointer<Envoy__Extensions__TransportSockets__Tls__V3__SubjectAltNameMatcher> {
    arena.make(envoy__extensions__transport_sockets__tls__v3__subject_alt_name_matcher__init) { message in
        message.san_type =
            identity.contains("://")
            ? ENVOY__EXTENSIONS__TRANSPORT_SOCKETS__TLS__V3__SUBJECT_ALT_NAME_MATCHER__SAN_TYPE__URI
            : ENVOY__EXTENSIONS__TRANSPORT_SOCKETS__TLS__V3__SUBJECT_ALT_NAME_MATCHER__SAN_TYPE__DNS
        message.matcher = arena.make(envoy__type__matcher__v3__string_matcher__init) { matcher in
            matcher.match_pattern_case = ENVOY__TYPE__MATCHER__V3__STRING_MATCHER__MATCH_PATTERN_EXACT
            matcher.exact = arena.string(identity)
        }
    }
}

extension Arena {
    func number(_ value: UInt32) -> UnsafeMutablePointer<Google__Protobuf__UInt32Value> {
        make(google__protobuf__uint32_value__init) { $0.value = value }
    }

    func duration(_ duration: Duration) -> UnsafeMutablePointer<Google__Protobuf__Duration> {
        make(google__protobuf__duration__init) { message in
            message.seconds = duration.components.seconds
            message.nanos = Int32(duration.components.attoseconds / 1_000_000_000)
        }
    }
}
