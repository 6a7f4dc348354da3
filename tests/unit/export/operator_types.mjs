// Documents on stdin, validated by the npm packages that carry the types of Argo Rollouts and the Prometheus Operator.
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const root = path.join(process.argv[2], "@kubernetes-models");
const load = (place) => import(pathToFileURL(path.join(root, place, "index.js")));
const kinds = {
  ...(await load("argo-rollouts/argoproj.io/v1alpha1")),
  ...(await load("prometheus-operator/monitoring.coreos.com/v1")),
};
for (const document of JSON.parse(fs.readFileSync(0, "utf8"))) {
  const Kind = kinds[document.kind];
  if (!Kind) throw new Error("no type for " + document.kind);
  try {
    new Kind(document).validate();
  } catch (error) {
    console.error(String(error.message || error));
    process.exit(1);
  }
  console.log("valid", document.kind);
}
