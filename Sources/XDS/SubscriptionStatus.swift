/// A refusal (NACK), kept until the client takes a later response.
public struct Rejection: Hashable, Sendable {
    /// What was refused: SotW's `version_info`, or delta's `system_version_info`.
    public var version: ResourceVersion
    /// The client's own words (`error_detail.message`), cut to a length that a page can show.
    public var message: String

    /// The longest message that is kept, in bytes.
    ///
    /// Envoy quotes whole resources.
    static let longestMessage = 2_000

    init(version: ResourceVersion, message: String) {
        self.version = version
        self.message = message.prefix(utf8Count: Self.longestMessage)
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
    /// In the order of their names; the first ones, if there are more than were asked for.
    public var resources: [SubscribedResource]
    /// How many there are.
    public var count: Int
    /// The version of the last response; nil before the first.
    public var sent: ResourceVersion?
    /// The version of the last response that the client took.
    public var acknowledged: ResourceVersion?
    /// Set while the last answer was a NACK.
    public var rejection: Rejection?
}

extension String {
    /// The first characters that fit into so many bytes of UTF-8; a copy, which doesn't keep the whole text alive.
    public func prefix(utf8Count limit: Int) -> String {
        guard utf8.count > limit else { return self }
        // A character cut in half is replaced.
        return String(decoding: Array(utf8.prefix(limit)), as: UTF8.self)
    }
}

extension Collection<ResourceName> {
    /// The first ones in order, at most so many.
    fileprivate func first(_ limit: Int) -> [ResourceName] {
        var first: [ResourceName] = []
        for name in self {
            if first.count == limit {
                guard let last = first.last, name < last else { continue }
                first.removeLast()
            }
            first.insert(name, at: first.partitioningIndex { name < $0 })
        }
        return first
    }

    /// The first ones in order, at most so many; costs little more than a look at each if there are many more.
    func smallest(_ limit: Int) -> [ResourceName] { count <= limit ? sorted() : first(limit) }
}

extension [ResourceName] {
    /// The first index whose element fulfils the condition, as all after it do.
    fileprivate func partitioningIndex(where isSecond: (ResourceName) -> Bool) -> Int {
        var range = startIndex..<endIndex
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            range = isSecond(self[middle]) ? range.lowerBound..<middle : middle + 1..<range.upperBound
        }
        return range.lowerBound
    }
}
