import de.bwaldvogel.mongo.MongoBackend;
import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.ServerVersion;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import java.io.FileInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;

/*
 * A mongo-java-server on 127.0.0.1: PORT [--data FILE] [--tls CERT KEY]. It says
 * that it is MongoDB 5.0, which drivers from 2021 on accept.
 */
public class MongoPeer {
	public static void main(String[] args) throws Exception {
		MongoBackend backend = null;
		String cert = null, key = null;
		for (int i = 1; i < args.length; i++) {
			switch (args[i]) {
			case "--data":
				backend = new H2Backend(args[++i]);
				break;
			case "--tls":
				cert = args[++i];
				key = args[++i];
				break;
			default:
				throw new IllegalArgumentException(args[i]);
			}
		}
		if (backend == null)
			backend = new MemoryBackend();
		backend.version(ServerVersion.MONGO_5_0);
		MongoServer server = new MongoServer(backend);
		if (cert != null)
			server.enableSsl(privateKey(key), null, certificate(cert));
		server.bind("127.0.0.1", Integer.parseInt(args[0]));
		Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
		Thread.currentThread().join();
	}

	private static PrivateKey privateKey(String path) throws Exception {
		String pem = Files.readString(Path.of(path))
			.replaceAll("-----[A-Z ]+-----", "").replaceAll("\\s", "");
		return KeyFactory.getInstance("RSA").generatePrivate(
			new PKCS8EncodedKeySpec(Base64.getDecoder().decode(pem)));
	}

	private static X509Certificate certificate(String path) throws Exception {
		try (FileInputStream in = new FileInputStream(path)) {
			return (X509Certificate) CertificateFactory
				.getInstance("X.509").generateCertificate(in);
		}
	}
}
