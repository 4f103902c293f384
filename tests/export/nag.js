// Runs the rules AwsSolutions of cdk-nag over a template, and prints what is found as JSON: the resources by rule.
//
//     node nag.js TEMPLATE

const { App, Aspects, Stack } = require("aws-cdk-lib");
const { CfnInclude } = require("aws-cdk-lib/cloudformation-include");
const { AwsSolutionsChecks } = require("cdk-nag");

const report = { looked: 0, found: {} };

const logger = {
  onCompliance: () => void report.looked++,
  onNonCompliance(data) {
    report.looked++;
    (report.found[data.ruleId] ??= []).push(data.resource.node.id);
  },
  onSuppression() {},
  onSuppressedError() {},
  onNotApplicable() {},
  onError(data) {
    throw new Error(`${data.ruleId} of ${data.resource.node.id}: ${data.errorMessage}`);
  },
};

const app = new App();
const stack = new Stack(app, "stack");
new CfnInclude(stack, "template", { templateFile: process.argv[2] });
Aspects.of(app).add(new AwsSolutionsChecks({ reports: false, additionalLoggers: [logger] }));
app.synth();
console.log(JSON.stringify(report));
