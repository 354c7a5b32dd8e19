// swift-tools-version: 6.2
import PackageDescription

/// Settings of every Swift target.
///
/// The tools version selects Swift 6 mode.
let swift: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// Unsafe constructs are errors, except in the two targets that own C's pointers: EnvoyAPI and GRPCTransport.
let safeSwift = swift + [.strictMemorySafety(), .treatWarning("StrictMemorySafety", as: .error)]

/// A target of Sources/C, as it is built from its own sources.
func c(_ name: String, links libraries: String...) -> Target {
    .target(name: name, path: "Sources/C/\(name)", linkerSettings: libraries.map { .linkedLibrary($0) })
}

/// A Swift target of Sources.
func library(
    _ name: String, in folder: String = "Sources", _ dependencies: [Target.Dependency] = [],
    settings: [SwiftSetting] = safeSwift
) -> Target {
    .target(name: name, dependencies: dependencies, path: "\(folder)/\(name)", swiftSettings: settings)
}

/// A target of Tests.
func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: swift)
}

let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let metrics = Target.Dependency.product(name: "CoreMetrics", package: "swift-metrics")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let signals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let deque = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let hashTrees = Target.Dependency.product(name: "HashTreeCollections", package: "swift-collections")
let httpClient = Target.Dependency.product(name: "AsyncHTTPClient", package: "async-http-client")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioHTTP2 = Target.Dependency.product(name: "NIOHTTP2", package: "swift-nio-http2")
let nioTLS = Target.Dependency.product(name: "NIOTLS", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

let package = Package(
    name: "ballast",
    products: [
        .executable(name: "ballast", targets: ["ballast"]),
        .executable(name: "ballast-lab", targets: ["ballast-lab"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", exact: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", exact: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras", exact: "1.35.2"),
        .package(url: "https://github.com/apple/swift-nio-http2", exact: "1.46.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", exact: "2.37.6"),
        .package(url: "https://github.com/apple/swift-system", exact: "1.8.1"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", exact: "2.28.1", traits: []),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
        .package(url: "https://github.com/swift-server/async-http-client", exact: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", exact: "2.13.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", exact: "1.0.2", traits: []),
    ],
    targets: [
        // C, as Debian packages it. The module maps name the libraries to link; pkg-config would repeat hundreds of flags.
        .systemLibrary(name: "CGRPC", path: "Sources/C/CGRPC"),
        c("CEnvoyAPI"),
        c("CResolver", links: "cares"),
        c("CAbseil", links: "absl_synchronization"),
        c("CCertificates", links: "ssl", "crypto"),
        // Stands in for functions of libc and OpenSSL that libgrpc calls.
        c("CConnectionGuard", links: "ssl", "crypto"),

        // From an endpoint to bytes: each target imports targets above it only.
        library("XXHash"),
        library("YAMLFile", [yams]),
        library("Pacing"),
        library("Probes", [nioCore, nioHTTP1, nioHTTP2, nioPosix, nioSSL, nioTLS]),
        library("Model"),
        library("Balancing", ["Model", "XXHash"]),
        library("XDS", ["XXHash"]),
        library("EnvoyAPI", ["Balancing", "CEnvoyAPI", "Model", "XDS", "XXHash"], settings: swift),
        library(
            "GRPCTransport", ["CAbseil", "CCertificates", "CConnectionGuard", "CGRPC", "YAMLFile", deque, logging],
            settings: swift),
        library("Intent", ["Model"]),
        library("Overrides", ["Balancing", "Model"]),
        library("MeshConfiguration", ["Intent", "Model", "Overrides", "XXHash", "YAMLFile"]),
        library(
            "Discovery",
            [
                "CResolver", "EnvoyAPI", "GRPCTransport", "Intent", "MeshConfiguration", "Model", "Pacing", "XDS",
                "XXHash",
                "YAMLFile", lifecycle, logging, nioCore, nioPosix,
            ]),
        library(
            "KubernetesClient", in: "Sources/Kubernetes",
            [
                "Model", "Pacing", "YAMLFile", httpClient, logging, nioCore, nioHTTP1, nioHTTP2, nioPosix, nioSSL, yams,
                .product(name: "Subprocess", package: "swift-subprocess"),
                .product(name: "SystemPackage", package: "swift-system"),
            ]),
        library(
            "KubernetesDiscovery", in: "Sources/Kubernetes",
            [
                "Discovery", "Intent", "KubernetesClient", "MeshConfiguration", "Model", "Pacing", "YAMLFile", logging,
                nioCore,
            ]),
        library(
            "IstioPublishing", in: "Sources/Kubernetes",
            [
                "Intent", "KubernetesClient", "MeshConfiguration", "Model", "Pacing", "Snapshots", "Probes",
                "YAMLFile", logging,
            ]),
        library(
            "Snapshots",
            [
                "Balancing", "Discovery", "EnvoyAPI", "GRPCTransport", "Intent", "Model", "Overrides", "XDS", "XXHash",
                hashTrees,
            ]),
        library(
            "Serving",
            [
                "Balancing", "Discovery", "EnvoyAPI", "GRPCTransport", "Intent", "MeshConfiguration", "Model", "Pacing",
                "Snapshots", "XDS", "YAMLFile", deque, logging, metrics, nioCore, nioPosix, nioSSL,
            ]),
        library("Analysis", ["Balancing", "Model", "Overrides", "Serving", "Snapshots"]),
        library("Events", ["Discovery", "Overrides", "Pacing", logging]),
        library("History", ["Balancing", "Discovery", "Events", "Model", "Overrides", "Snapshots"]),
        library(
            "ControlPlane",
            [
                "Analysis", "Balancing", "History", "Discovery", "Events", "GRPCTransport", "Intent",
                "MeshConfiguration", "Model",
                "Overrides",
                "Pacing", "Serving",
                "Snapshots", "XDS", "YAMLFile", lifecycle, logging, metrics,
            ]),
        library("AdminAPI", ["Overrides"]),
        library(
            "Planning",
            [
                "AdminAPI", "Balancing", "Discovery", "EnvoyAPI", "Intent", "Model", "Overrides", "Serving",
                "Snapshots",
                "XDS", "XXHash",
            ]),
        library(
            "Admin",
            [
                "Pacing",
                "AdminAPI", "Analysis", "Balancing", "History", "Intent", "MeshConfiguration", "Planning",
                "ControlPlane", "Discovery", "Events", "GRPCTransport", "Model", "Overrides",
                "Serving", "Snapshots",
                "XDS", "XXHash", "YAMLFile", lifecycle, logging, metrics, nioCore,
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
            ]),
        .executableTarget(
            name: "ballast",
            dependencies: [
                "Admin", "AdminAPI", "Balancing", "ControlPlane", "Discovery", "GRPCTransport", "Intent",
                "IstioPublishing", "KubernetesClient", "KubernetesDiscovery", "LoadClient", "MeshConfiguration",
                "Model",
                "Overrides", "Serving", "Snapshots", "Probes", "XDS", "YAMLFile",
                arguments, httpClient, lifecycle, logging, nioCore, nioHTTP1, nioPosix, nioSSL, nioTLS, signals, yams,
            ],
            swiftSettings: safeSwift),

        // Many clients at once, to see what a server takes.
        library("LoadClient", in: "Sources/Tools", ["EnvoyAPI", "GRPCTransport", "XDS"]),
        // Real Envoys on loopback, with requests counted at the pods.
        library(
            "TestBench", in: "Sources/Tools",
            [
                "AdminAPI", "Balancing", "MeshConfiguration", "Model", nioCore, nioHTTP1, nioHTTP2, nioPosix, nioSSL,
                yams,
            ]),
        // The rules of xDS as cases, played against a running server.
        library("Conformance", in: "Sources/Tools", ["EnvoyAPI", "GRPCTransport", "TestBench", "XDS"]),
        // What one bad client, peer or source can do, played against a running server.
        library(
            "Attacks", in: "Sources/Tools",
            [
                "AdminAPI", "Balancing", "EnvoyAPI", "GRPCTransport", "LoadClient", "Model", "TestBench", "XDS",
                logging, nioCore,
                nioHTTP1, nioPosix, nioSSL,
            ]),
        .executableTarget(
            name: "ballast-lab",
            dependencies: [
                "AdminAPI", "Attacks", "Conformance", "LoadClient", "Model", "TestBench", "XDS", arguments, signals,
            ],
            path: "Sources/Tools/ballast-lab", swiftSettings: safeSwift),

        // Tests: one target for each target, and three for the program as a whole: in process, with real Envoys, attacked.
        library(
            "TestSupport", in: "Tests",
            [
                "Balancing", "ControlPlane", "EnvoyAPI", "GRPCTransport", "MeshConfiguration", "Model", "TestBench",
                "XDS", "YAMLFile", lifecycle, logging, metrics, nioCore, nioHTTP1, nioPosix,
            ], settings: swift),
        tests("XXHashTests", ["XXHash"]),
        tests("YAMLFileTests", ["YAMLFile"]),
        tests("PacingTests", ["Pacing", "TestBench"]),
        tests("ModelTests", ["Model"]),
        tests("BalancingTests", ["Balancing", "Model", "TestSupport"]),
        tests("XDSTests", ["TestSupport", "XDS", "XXHash"]),
        tests(
            "EnvoyAPITests", ["Balancing", "EnvoyAPI", "Model", "TestBench", "TestSupport", "XDS"],
            exclude: ["check_descriptors.py"]),
        tests(
            "GRPCTransportTests",
            ["CConnectionGuard", "GRPCTransport", "TestBench", "TestSupport", "YAMLFile", logging, nioCore, nioPosix]),
        tests("IntentTests", ["Intent", "Model"]),
        tests("HistoryTests", ["History", "TestSupport"]),
        tests("AnalysisTests", ["Analysis", "Model", "Overrides", "Serving", "Snapshots", "TestSupport"]),
        tests("OverridesTests", ["Balancing", "Model", "Overrides", "TestSupport"]),
        tests(
            "MeshConfigurationTests", ["Intent", "MeshConfiguration", "Model", "TestSupport", "YAMLFile", yams]),
        tests(
            "DiscoveryTests",
            [
                "Balancing", "Discovery", "Intent", "MeshConfiguration", "Model", "Pacing", "TestBench", "TestSupport",
                "YAMLFile", logging,
            ]),
        tests("KubernetesClientTests", ["KubernetesClient", "TestBench", "TestSupport", "YAMLFile", logging]),
        tests(
            "KubernetesDiscoveryTests",
            [
                "Discovery", "Intent", "KubernetesClient", "KubernetesDiscovery", "MeshConfiguration", "Model",
                "TestBench", "TestSupport",
                "YAMLFile", logging, nioCore,
            ], exclude: ["Recorded"]),
        tests(
            "IstioPublishingTests",
            [
                "Intent", "IstioPublishing", "KubernetesClient", "MeshConfiguration", "Model", "Snapshots", "TestBench",
                "TestSupport", "YAMLFile", logging,
            ]),
        tests(
            "SnapshotsTests",
            [
                "Balancing", "Discovery", "EnvoyAPI", "Intent", "MeshConfiguration", "Model", "Overrides", "Snapshots",
                "TestSupport",
                "XDS", hashTrees,
            ]),
        tests(
            "ServingTests",
            [
                "Balancing", "EnvoyAPI", "GRPCTransport", "Intent", "MeshConfiguration", "Model", "Serving",
                "Snapshots",
                "TestBench", "TestSupport", "XDS", "YAMLFile", logging, metrics,
            ]),
        tests("EventsTests", ["Events"]),
        tests(
            "DocumentationTests",
            ["AdminAPI", "Intent", "MeshConfiguration", "Model", "Serving", "TestBench", "TestSupport"]),
        tests(
            "AdminTests",
            [
                "Admin", "AdminAPI", "Balancing", "ControlPlane", "EnvoyAPI", "GRPCTransport", "Model", "Overrides",
                "Serving",
                "Snapshots",
                "TestBench", "TestSupport", "XDS", logging, metrics, nioCore,
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdTesting", package: "hummingbird"),
            ], exclude: ["Golden"]),
        tests("LoadClientTests", ["Admin", "LoadClient", "MeshConfiguration", "TestBench", "TestSupport", "XDS"]),
        tests(
            "FeatureTests",
            [
                "Admin", "Balancing", "ControlPlane", "Discovery", "EnvoyAPI", "GRPCTransport", "Intent",
                "MeshConfiguration", "Model", "Serving", "Snapshots", "TestBench", "TestSupport", "XDS", "YAMLFile",
            ]),
        tests(
            "EnvoyTests",
            [
                "AdminAPI", "ballast", "Balancing", "Conformance", "EnvoyAPI", "Model", "Overrides", "TestBench",
                "TestSupport", "XDS",
            ], exclude: ["discover.py", "grpc_client.py"]),
        tests("AttackTests", ["Attacks", "ballast", "TestSupport"]),
    ],
    cxxLanguageStandard: .cxx17
)

// libFuzzer brings a `main` of its own, and has to see every branch: `make fuzz` sets this, and the flags for it.
if Context.environment["BALLAST_FUZZ"] != nil {
    package.products.append(.executable(name: "fuzz", targets: ["fuzz"]))
    package.targets.append(
        .executableTarget(
            name: "fuzz", dependencies: ["CConnectionGuard", "EnvoyAPI", "MeshConfiguration", "XDS", "YAMLFile"],
            path: "Fuzzing/Sources",
            swiftSettings: swift + [.unsafeFlags(["-parse-as-library"])]
        ))
}
