/// Stands in for a source that this program was built without.
public struct UnsupportedSource: EndpointSource {
    private let id: SourceID

    /// Creates the stand-in for a source.
    public init(id: SourceID) { self.id = id }

    /// Reports that the source is not supported.
    public func run(_ report: @escaping @Sendable (SourceReport) async -> Void) async {
        await report(.failure(reason: "this program was built without a source for \(id.description)"))
    }
}
