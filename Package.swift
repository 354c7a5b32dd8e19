// swift-tools-version: 6.2
import PackageDescription

/// What every Swift target is built with: Swift 6 mode comes with the tools version, the rest is asked for here.
let swift: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// Unsafe constructs are errors everywhere but in the two rooms that own C's pointers: EnvoyAPI and GRPCTransport.
let safeSwift = swift + [.strictMemorySafety(), .treatWarning("StrictMemorySafety", as: .error)]

let package = Package(
    name: "ballast",
    products: [
        .executable(name: "ballast", targets: ["ballast"]),
        .executable(name: "ballast-bench", targets: ["ballast-bench"]),
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
        .systemLibrary(name: "CGRPC"),
        .target(name: "CEnvoyAPI"),
        .target(name: "CAbseil", linkerSettings: [.linkedLibrary("absl_synchronization")]),
        .target(name: "CCertificates", linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]),
        // Stands in for functions of libc and OpenSSL that libgrpc calls.
        .target(name: "CConnectionGuard", linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]),

        // The way through the house.
        .target(name: "Balancing", swiftSettings: safeSwift),
        .target(name: "XDS", swiftSettings: safeSwift),
        .target(name: "EnvoyAPI", dependencies: ["CEnvoyAPI", "Balancing", "XDS"], swiftSettings: swift),
        .target(
            name: "GRPCTransport",
            dependencies: [
                "CAbseil", "CCertificates", "CConnectionGuard", "CGRPC",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: swift
        ),
        .target(
            name: "MeshConfiguration",
            dependencies: ["Balancing", .product(name: "Yams", package: "Yams")],
            swiftSettings: safeSwift
        ),
        .target(
            name: "Discovery",
            dependencies: [
                "Balancing", "MeshConfiguration",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: safeSwift
        ),
        .target(
            name: "KubernetesDiscovery",
            dependencies: [
                "Balancing", "Discovery", "MeshConfiguration",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOHTTP2", package: "swift-nio-http2"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "Subprocess", package: "swift-subprocess"),
                .product(name: "SystemPackage", package: "swift-system"),
                .product(name: "Yams", package: "Yams"),
            ],
            swiftSettings: safeSwift
        ),
        .target(
            name: "ControlPlane",
            dependencies: [
                "Balancing", "MeshConfiguration", "Discovery", "EnvoyAPI", "GRPCTransport", "XDS",
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "HashTreeCollections", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: safeSwift
        ),
        .target(
            name: "Admin",
            dependencies: [
                "Balancing", "ControlPlane", "Discovery", "GRPCTransport", "MeshConfiguration", "XDS",
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: safeSwift
        ),
        // Many clients at once, to see what a server takes.
        .target(
            name: "LoadClient", dependencies: ["EnvoyAPI", "GRPCTransport", "XDS"], swiftSettings: safeSwift
        ),
        .executableTarget(
            name: "ballast",
            dependencies: [
                "Admin", "Balancing", "ControlPlane", "Discovery", "GRPCTransport", "KubernetesDiscovery", "LoadClient",
                "MeshConfiguration", "XDS",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            swiftSettings: safeSwift
        ),

        // The bench: real Envoys on loopback, used by `make run`, `make bench` and the tests.
        .target(
            name: "TestBench",
            dependencies: [
                "Balancing", "MeshConfiguration",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOHTTP2", package: "swift-nio-http2"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ],
            swiftSettings: safeSwift
        ),
        // The rules of xDS as cases, played against a running server.
        .target(
            name: "Conformance", dependencies: ["EnvoyAPI", "GRPCTransport", "TestBench", "XDS"],
            swiftSettings: safeSwift
        ),
        // What one bad client, peer or source can do, played against a running server.
        .target(
            name: "Attacks",
            dependencies: [
                "Balancing", "EnvoyAPI", "GRPCTransport", "LoadClient", "TestBench", "XDS",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ],
            swiftSettings: safeSwift
        ),
        .executableTarget(
            name: "ballast-conformance",
            dependencies: [
                "Conformance", "TestBench", "XDS", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: safeSwift
        ),
        .executableTarget(
            name: "ballast-bench",
            dependencies: [
                "Attacks", "Conformance", "LoadClient", "TestBench", "XDS",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            swiftSettings: safeSwift
        ),

        // Tests, one target for each room, and two for the whole house: in process, and with real Envoys.
        .target(
            name: "TestSupport",
            dependencies: [
                "Balancing", "ControlPlane", "EnvoyAPI", "GRPCTransport", "MeshConfiguration", "TestBench", "XDS",
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            path: "Tests/TestSupport",
            swiftSettings: swift
        ),
        .testTarget(name: "BalancingTests", dependencies: ["Balancing", "TestSupport"], swiftSettings: swift),
        .testTarget(name: "XDSTests", dependencies: ["XDS", "TestSupport"], swiftSettings: swift),
        .testTarget(
            name: "EnvoyAPITests", dependencies: ["Balancing", "EnvoyAPI", "TestBench", "TestSupport", "XDS"],
            exclude: ["check_descriptors.py"],
            swiftSettings: swift
        ),
        .testTarget(
            name: "MeshConfigurationTests",
            dependencies: [
                "Balancing", "MeshConfiguration", "TestSupport", .product(name: "Yams", package: "Yams"),
            ],
            swiftSettings: swift
        ),
        .testTarget(
            name: "DiscoveryTests",
            dependencies: [
                "Balancing", "Discovery", "MeshConfiguration", "TestBench", "TestSupport",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: swift
        ),
        .testTarget(
            name: "KubernetesDiscoveryTests",
            dependencies: [
                "Balancing", "Discovery", "KubernetesDiscovery", "MeshConfiguration", "TestBench", "TestSupport",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            exclude: ["Recorded"],
            swiftSettings: swift
        ),
        .testTarget(
            name: "GRPCTransportTests",
            dependencies: [
                "CConnectionGuard", "GRPCTransport", "TestBench", "TestSupport",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: swift
        ),
        .testTarget(
            name: "AdminTests", dependencies: ["Admin", .product(name: "CoreMetrics", package: "swift-metrics")],
            swiftSettings: swift
        ),
        .testTarget(
            name: "ControlPlaneTests",
            dependencies: [
                "Balancing", "ControlPlane", "Discovery", "EnvoyAPI", "GRPCTransport", "MeshConfiguration", "TestBench",
                "TestSupport", "XDS",
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "HashTreeCollections", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: swift
        ),
        .testTarget(
            name: "LoadClientTests",
            dependencies: ["Admin", "LoadClient", "MeshConfiguration", "TestBench", "TestSupport", "XDS"],
            swiftSettings: swift
        ),
        .testTarget(
            name: "FeatureTests",
            dependencies: [
                "Admin", "Balancing", "ControlPlane", "Discovery", "EnvoyAPI", "GRPCTransport", "MeshConfiguration",
                "TestBench", "TestSupport", "XDS",
            ],
            swiftSettings: swift
        ),
        .testTarget(
            name: "EnvoyTests",
            dependencies: [
                "ballast", "Balancing", "Conformance", "EnvoyAPI", "TestBench", "TestSupport",
                .product(name: "Yams", package: "Yams"),
            ],
            exclude: ["discover.py", "grpc_client.py"], swiftSettings: swift
        ),
        .testTarget(name: "AttackTests", dependencies: ["Attacks", "ballast", "TestSupport"], swiftSettings: swift),
    ],
    cxxLanguageStandard: .cxx17
)

// libFuzzer brings a `main` of its own, and has to see every branch: `make fuzz` sets this, and the flags for it.
if Context.environment["BALLAST_FUZZ"] != nil {
    package.products.append(.executable(name: "fuzz", targets: ["fuzz"]))
    package.targets.append(
        .executableTarget(
            name: "fuzz", dependencies: ["CConnectionGuard", "EnvoyAPI", "MeshConfiguration", "XDS"],
            path: "Fuzzing/Sources",
            swiftSettings: swift + [.unsafeFlags(["-parse-as-library"])]
        ))
}
