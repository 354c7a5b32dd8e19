public import GRPCTransport
public import MeshConfiguration
public import YAMLFile

// Converts the configuration to the transport's settings.

extension ServerSecurity {
    init(_ material: TLSMaterial) { self = .tls(material.pair, clientCA: material.authorities) }
}

extension ServerLimits {
    /// Creates the server's limits from the configuration.
    package init(_ limits: Configuration.Limits) {
        self.init()
        messageBytes = limits.messageBytes
        streamsPerConnection = limits.streamsPerConnection
        streams = limits.streams
        streamsPerIdentity = limits.streamsPerIdentity
        connections = limits.connections
        streamsPerSecond = limits.streamsPerSecond
        waitingStreams = limits.waitingStreams
        messagesPerSecond = limits.requestsPerSecond
        messageBytesPerSecond = limits.requestBytesPerSecond
    }
}

extension ConnectionLimits {
    /// Creates the connection guard's limits from the configuration.
    package init(_ limits: Configuration.Limits, isOn: Bool) {
        self.init()
        self.isOn = isOn
        connections = limits.connections
        perAddress = limits.connectionsPerAddress
        newPerSecond = limits.newConnectionsPerSecond
        handshake = limits.handshake
        addressStreamsPerSecond = limits.addressStreamsPerSecond
        addressStreamsBurst = 2 * limits.streamsPerConnection
        streamsPerSecond = limits.newStreamsPerSecond
        streamsBurst = limits.streamsPerConnection
        resetsPerSecond = limits.resetsPerSecond
        pingsPerSecond = limits.pingsPerSecond
        settingsPerSecond = limits.settingsPerSecond
        prioritiesPerSecond = limits.prioritiesPerSecond
        framesPerSecond = limits.framesPerSecond
        headerBlockBytes = limits.headerBlockBytes
        continuations = limits.continuations
        headerBytesPerSecond = limits.headerBytesPerSecond
        partialBytes = limits.partialBytes
        addressPartialBytes = limits.addressPartialBytes
        allPartialBytes = limits.allPartialBytes
    }
}

extension Configuration.TLSFiles {
    /// Reads the files.
    ///
    /// - Throws: an error that names the file.
    public func read() throws(ConfigurationError) -> TLSMaterial {
        try TLSMaterial(certificate: certificate, key: key, authorities: clientCA)
    }
}
