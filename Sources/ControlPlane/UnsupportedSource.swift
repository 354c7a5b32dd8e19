import Discovery

/// Stands for a source that this program was put together without.
struct UnsupportedSource: EndpointSource {
    let id: SourceID

    func run(_ report: @escaping @Sendable (SourceReport) async -> Void) async {
        await report(.failure(reason: "this program was built without a source for \(id.description)"))
    }
}
