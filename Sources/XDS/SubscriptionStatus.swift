/// A refusal (NACK), kept until the client takes a later response.
public struct Rejection: Hashable, Sendable {
    /// What was refused: SotW's `version_info`, or delta's `system_version_info`.
    public var version: ResourceVersion
    /// The client's own words (`error_detail.message`), cut to a length that a page can show.
    public var message: String

    /// The longest message that is kept, in characters.
    ///
    /// Envoy quotes whole resources.
    static let longestMessage = 2_000

    init(version: ResourceVersion, message: String) {
        self.version = version
        self.message = String(message.prefix(Self.longestMessage))
    }
}

/// What a client has of one resource that it asked for.
public struct SubscribedResource: Hashable, Sendable {
    /// Its name.
    public var name: ResourceName
    /// What was sent last; nil where nothing was, because it doesn't exist or not yet.
    public var sent: ResourceVersion?
    /// What the client took last, as far as this stream knows; nil before the first ACK.
    public var acknowledged: ResourceVersion?
}

/// One type's subscription, for whoever wants to look at it.
public struct SubscriptionStatus: Hashable, Sendable {
    /// In the order of their names.
    public var resources: [SubscribedResource]
    /// The version of the last response; nil before the first.
    public var sent: ResourceVersion?
    /// The version of the last response that the client took.
    public var acknowledged: ResourceVersion?
    /// Set while the last answer was a NACK.
    public var rejection: Rejection?
}
