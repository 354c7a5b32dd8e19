/// A server's limits on connections and HTTP/2 frames, below the level of streams.
///
/// Rates apply to one connection and allow a burst of four seconds' worth, unless stated otherwise.
public struct ConnectionLimits: Hashable, Sendable {
    /// False disables the limits, for comparison.
    public var isOn = true
    /// Open connections.
    public var connections = 10_000
    /// Open connections from one address: an IPv4 address, or the first 64 bits of an IPv6 address.
    public var perAddress = 2_000
    /// New connections per second from one address, after a burst of `perAddress`.
    public var newPerSecond = 100
    /// The time limit for setting up a connection (TLS and HTTP/2); at least 1 millisecond.
    public var handshake = Duration.seconds(10)
    /// Streams opened per second on all connections from one address, after a burst of `addressStreamsBurst`.
    public var addressStreamsPerSecond = 2_000
    /// See `addressStreamsPerSecond`.
    public var addressStreamsBurst = 20_000
    /// Streams opened per second, after a burst of `streamsBurst`.
    public var streamsPerSecond = 1_000
    /// See `streamsPerSecond`.
    public var streamsBurst = 10_000
    /// Resets per second of streams that are at most 1 to 2 seconds old (CVE-2023-44487).
    public var resetsPerSecond = 250
    /// PING frames per second.
    public var pingsPerSecond = 200
    /// SETTINGS frames per second.
    public var settingsPerSecond = 20
    /// PRIORITY frames per second.
    public var prioritiesPerSecond = 100
    /// Frames per second, except DATA frames of more than 1,024 bytes.
    public var framesPerSecond = 100_000
    /// The length of a header block in bytes as sent, over all of its frames (CVE-2024-27316).
    public var headerBlockBytes = 32_768
    /// CONTINUATION frames per header block.
    public var continuations = 8
    /// Bytes of header blocks per second.
    public var headerBytesPerSecond = 1 << 20
    /// The length of a message, copied from `ServerLimits`.
    var messageBytes = 0
    /// Bytes of incomplete messages that libgrpc buffers, per connection.
    public var partialBytes = 16 << 20
    /// Bytes of incomplete messages on all connections from one address.
    public var addressPartialBytes = 64 << 20
    /// Bytes of incomplete messages on all connections.
    public var allPartialBytes = 256 << 20

    /// Creates the default limits.
    public init() {}
}
